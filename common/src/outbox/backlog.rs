//! What waits to be published, and since when.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use uuid::Uuid;

/// How many events wait.
pub(super) async fn waiting(pool: &MySqlPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from outbox where state = 'NEW'")
        .fetch_one(pool)
        .await
}

/// Details of the health component: how many events wait, and for how many seconds the oldest does.
pub(super) async fn now(pool: &MySqlPool, at: DateTime<Utc>) -> sqlx::Result<Value> {
    let pending = waiting(pool).await?;
    let oldest: Option<Uuid> = sqlx::query_scalar(
        "select event_id from outbox where seq = (select min(seq) from outbox where state = 'NEW')",
    )
    .fetch_optional(pool)
    .await?;
    let age = oldest
        .and_then(made_at)
        .map(|made| (at - made).num_seconds().max(0));
    Ok(json!({ "pending": pending, "oldest_age_s": age }))
}

/// An event's id begins with the time at which it was made.
fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}
