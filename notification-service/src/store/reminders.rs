use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, UserId};
use sqlx::MySqlConnection;

use crate::domain::reminder::Reminder;

/// A reminder whose time has come.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub appointment_id: AppointmentId,
    pub start_at: DateTime<Utc>,
    pub offset_minutes: u32,
    pub patient_id: UserId,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Gives up every reminder of the visit that is still ahead.
pub async fn drop_all(db: &mut MySqlConnection, id: AppointmentId) -> sqlx::Result<()> {
    sqlx::query!(
        "update reminders set state = 'DROPPED' where appointment_id = ? and state = 'PLANNED'",
        id
    )
    .execute(db)
    .await
    .map(drop)
}

/// Plans a reminder. One that was given up is taken up again; one that went out for this start does not again.
pub async fn plan(
    db: &mut MySqlConnection,
    (appointment_id, patient_id): (AppointmentId, UserId),
    start_at: DateTime<Utc>,
    reminder: Reminder,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into reminders (appointment_id, start_at, offset_minutes, patient_id, due_at, expires_at)
         values (?, ?, ?, ?, ?, ?)
         on duplicate key update
             state = if(state = 'DROPPED', 'PLANNED', state), due_at = values(due_at), expires_at = values(expires_at)",
        appointment_id,
        start_at,
        reminder.offset_minutes,
        patient_id,
        reminder.due_at,
        reminder.expires_at
    )
    .execute(db)
    .await
    .map(drop)
}

/// Reminders that are due, the most urgent first.
pub async fn due(db: &mut MySqlConnection, now: DateTime<Utc>, limit: u32) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"select appointment_id as "appointment_id: AppointmentId", start_at as "start_at: DateTime<Utc>",
                  offset_minutes, patient_id as "patient_id: UserId", due_at as "due_at: DateTime<Utc>",
                  expires_at as "expires_at: DateTime<Utc>"
           from reminders where state = 'PLANNED' and due_at <= ? order by due_at limit ?"#,
        now,
        limit
    )
    .fetch_all(db)
    .await
}

/// Takes a due reminder for releasing it; `false` if another instance did, or it was given up meanwhile.
pub async fn release(db: &mut MySqlConnection, due: &Due) -> sqlx::Result<bool> {
    let released = sqlx::query!(
        "update reminders set state = 'RELEASED'
         where appointment_id = ? and start_at = ? and offset_minutes = ? and state = 'PLANNED' and due_at = ?",
        due.appointment_id,
        due.start_at,
        due.offset_minutes,
        due.due_at
    )
    .execute(db)
    .await?;
    Ok(released.rows_affected() == 1)
}
