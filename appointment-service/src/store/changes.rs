//! Table `appointment_changes`: the history, added to and never touched.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, UserId};
use common::outbox;
use sqlx::MySqlConnection;

use super::row::parse;
use crate::domain::appointment::{Appointment, By};
use crate::domain::change::Change;
use crate::domain::status::Status;
use crate::events;

/// Write down `change`, after which the visit is `visit`: in its history and, as an event, in the outbox.
pub async fn record(
    connection: &mut MySqlConnection,
    visit: &Appointment,
    change: &Change,
) -> sqlx::Result<()> {
    insert(connection, visit.id, change).await?;
    outbox::push(connection, &events::of(visit, change)).await
}

async fn insert(connection: &mut MySqlConnection, id: AppointmentId, change: &Change) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into appointment_changes (appointment_id, version, action, from_status, to_status, from_start_at,
             to_start_at, changed_by, changed_by_role, reason, changed_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        id,
        change.version,
        change.action.as_str(),
        change.from.map(Status::as_str),
        change.to.as_str(),
        change.from_start,
        change.to_start,
        change.by.id,
        change.by.role.as_str(),
        change.reason,
        change.at,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Up to `limit` changes of a visit after `version`, the oldest first.
pub async fn list(
    connection: &mut MySqlConnection,
    id: AppointmentId,
    version: u32,
    limit: u32,
) -> sqlx::Result<Vec<Change>> {
    let rows = sqlx::query!(
        r#"select version, action, from_status, to_status, from_start_at as "from_start_at: DateTime<Utc>",
             to_start_at as "to_start_at: DateTime<Utc>", changed_by as "changed_by: UserId", changed_by_role, reason,
             changed_at as "changed_at: DateTime<Utc>"
           from appointment_changes where appointment_id = ? and version > ? order by version limit ?"#,
        id, version, limit,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Change {
                version: row.version,
                action: parse(&row.action)?,
                from: row.from_status.as_deref().map(parse).transpose()?,
                to: parse(&row.to_status)?,
                from_start: row.from_start_at,
                to_start: row.to_start_at,
                by: By {
                    id: row.changed_by,
                    role: parse(&row.changed_by_role)?,
                },
                reason: row.reason,
                at: row.changed_at,
            })
        })
        .collect()
}
