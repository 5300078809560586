use chrono::{DateTime, Utc};
use common::ids::EventId;
use sqlx::MySqlConnection;

/// Notes that an event is acted on; `false` if it was already.
pub async fn enter(
    db: &mut MySqlConnection,
    id: EventId,
    kind: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let entered = sqlx::query!(
        "insert ignore into inbox (event_id, kind, received_at) values (?, ?, ?)",
        id,
        kind,
        now
    )
    .execute(db)
    .await?;
    Ok(entered.rows_affected() == 1)
}

/// Forgets what was received before `until`, some thousands at a time.
pub async fn forget(db: &mut MySqlConnection, until: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("delete from inbox where received_at < ? limit 5000", until)
        .execute(db)
        .await
        .map(drop)
}
