use chrono::{DateTime, Utc};
use common::events::AppointmentChange;
use common::ids::AppointmentId;
use sqlx::MySqlConnection;

use crate::domain::visit::Visit;

/// Takes over what the event says, unless a newer one was here first. Returns whether it was taken over.
/// Holds the visit's row until the transaction ends, so that events of one visit take turns.
pub async fn take_over(db: &mut MySqlConnection, change: &AppointmentChange) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert ignore into visits (appointment_id, version, status, start_at) values (?, 0, '', ?)",
        change.appointment_id,
        change.start_at
    )
    .execute(&mut *db)
    .await?;
    let taken = sqlx::query!(
        "update visits set version = ?, status = ?, start_at = ? where appointment_id = ? and version < ?",
        change.version,
        change.status,
        change.start_at,
        change.appointment_id,
        change.version
    )
    .execute(db)
    .await?;
    Ok(taken.rows_affected() == 1)
}

pub async fn find(db: &mut MySqlConnection, id: AppointmentId) -> sqlx::Result<Option<Visit>> {
    let row = sqlx::query!(
        r#"select version, status, start_at as "start_at: DateTime<Utc>" from visits where appointment_id = ?"#,
        id
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Visit {
        version: row.version,
        status: row.status,
        start_at: row.start_at,
    }))
}
