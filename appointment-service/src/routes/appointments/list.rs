//! Lists of visits: one's own, or all for administrators.

use axum::extract::State;
use common::auth::{Caller, Role};
use common::extract::{Json, Query};
use common::ids::UserId;
use common::page::List;
use common::period::Moment;
use common::problem::{Checks, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{AppointmentView, present};
use crate::AppState;
use crate::domain::status::{Status, UnknownName};
use crate::error::Error;
use crate::store::listing::{self, Filter, Position};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// From this date on the doctor's wall, or this instant, on.
    from: Option<String>,
    /// Up to this date, included, or this instant, not included.
    to: Option<String>,
    /// One status or several, separated by commas.
    status: Option<String>,
    doctor_id: Option<UserId>,
    patient_id: Option<UserId>,
    /// 1 to 100.
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Visits by their start, the earliest first.
#[utoipa::path(get, path = "/appointments", tag = "appointments", params(ListQuery),
    responses((status = 200, body = List<AppointmentView>), (status = 400), (status = 422)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<AppointmentView>>, Error> {
    let filter = query.filter(&caller)?;
    let page = state
        .core
        .cursors
        .page(caller.id, "appointments", query.limit, query.cursor.as_deref())?;
    let visits = listing::page(&mut *state.pool.acquire().await?, &filter, &page).await?;
    let List { items, next_cursor } = page.list(visits, |visit| Position {
        start: visit.slot.start,
        id: visit.id,
    });
    Ok(Json(List {
        items: present(&state, &items).await?,
        next_cursor,
    }))
}

impl ListQuery {
    fn filter(&self, caller: &Caller) -> Result<Filter, Problem> {
        let mut checks = Checks::default();
        let (from, to) = Moment::period((self.from.as_deref(), self.to.as_deref()), &mut checks);
        let statuses = checks
            .take("/status", statuses(self.status.as_deref()))
            .unwrap_or_default();
        checks.finish()?;
        let own = |role: Role| (caller.role == role).then_some(caller.id);
        Ok(Filter {
            patients: own(Role::Patient).into_iter().chain(self.patient_id).collect(),
            doctors: own(Role::Doctor).into_iter().chain(self.doctor_id).collect(),
            statuses,
            from,
            to,
        })
    }
}

fn statuses(text: Option<&str>) -> Result<Vec<Status>, UnknownName> {
    text.map_or(Ok(Vec::new()), |names| names.split(',').map(str::parse).collect())
}
