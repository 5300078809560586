//! Lists of visits, page by page.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, UserId};
use common::page::Page;
use common::period::Moment;
use serde::{Deserialize, Serialize};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::row::Row;
use crate::domain::appointment::Appointment;
use crate::domain::status::Status;

/// Which visits; everything that is given must hold. What the caller may see is a condition like any other.
#[derive(Debug, Default)]
pub struct Filter {
    pub patients: Vec<UserId>,
    pub doctors: Vec<UserId>,
    pub statuses: Vec<Status>,
    /// Days are those on the doctor's wall.
    pub from: Option<Moment>,
    pub to: Option<Moment>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Position {
    pub start: DateTime<Utc>,
    pub id: AppointmentId,
}

/// One page (and one visit more, if there is more), by start.
pub async fn page(
    connection: &mut MySqlConnection,
    filter: &Filter,
    page: &Page<Position>,
) -> sqlx::Result<Vec<Appointment>> {
    let mut query = QueryBuilder::new(
        "select id, patient_id, doctor_id, start_at, end_at, time_zone, status, reason, made_by, made_by_role,
             agreed_at, notice_minutes, cancelled_by, cancelled_by_role, cancelled_reason, cancelled_at, version,
             created_at, updated_at
         from appointments where true",
    );
    push_filter(&mut query, filter);
    if let Some(after) = page.after {
        query.push(" and (start_at > ").push_bind(after.start);
        query.push(" or start_at = ").push_bind(after.start);
        query.push(" and id > ").push_bind(after.id).push(")");
    }
    query
        .push(" order by start_at, id limit ")
        .push_bind(page.fetch());
    let rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
    rows.into_iter().map(Appointment::try_from).collect()
}

fn push_filter(query: &mut QueryBuilder<MySql>, filter: &Filter) {
    // Two different ids for one column match nothing: a filter narrows what the caller may see, it cannot replace it.
    for patient in &filter.patients {
        query.push(" and patient_id = ").push_bind(*patient);
    }
    for doctor in &filter.doctors {
        query.push(" and doctor_id = ").push_bind(*doctor);
    }
    // Instants without a zone: with one they would travel as TIMESTAMP, which knows nothing before 1970 and after 2038.
    match filter.from {
        Some(Moment::Date(date)) => query.push(" and local_date >= ").push_bind(date),
        Some(Moment::Instant(instant)) => query.push(" and start_at >= ").push_bind(instant.naive_utc()),
        None => query,
    };
    match filter.to {
        Some(Moment::Date(date)) => query.push(" and local_date <= ").push_bind(date),
        Some(Moment::Instant(instant)) => query.push(" and start_at < ").push_bind(instant.naive_utc()),
        None => query,
    };
    if !filter.statuses.is_empty() {
        query.push(" and status in (");
        let mut list = query.separated(", ");
        for status in &filter.statuses {
            list.push_bind(status.as_str());
        }
        query.push(")");
    }
}
