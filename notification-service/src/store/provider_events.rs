use chrono::{DateTime, Utc};
use common::ids::NotificationId;
use sqlx::MySqlConnection;

/// What a provider told us.
#[derive(Debug, Clone, Copy)]
pub struct ProviderEvent<'a> {
    pub provider: &'static str,
    /// The same for every copy of the same news.
    pub key: &'a str,
    pub notification_id: Option<NotificationId>,
    pub status: &'a str,
}

/// Notes the news; `false` if it was known.
pub async fn enter(
    db: &mut MySqlConnection,
    event: ProviderEvent<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let entered = sqlx::query!(
        "insert ignore into provider_events (provider, event_key, notification_id, status, received_at)
         values (?, ?, ?, ?, ?)",
        event.provider,
        event.key,
        event.notification_id,
        event.status,
        now
    )
    .execute(db)
    .await?;
    Ok(entered.rows_affected() == 1)
}
