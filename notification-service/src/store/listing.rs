//! The delivery ledger as callers see it.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, NotificationId, UserId};
use serde::Serialize;
use sqlx::{MySql, MySqlConnection, QueryBuilder};
use utoipa::ToSchema;

use crate::domain::channel::Channel;
use crate::domain::status::{State, Status};

const COLUMNS: &str = "select id, user_id, channel, category, template, state, skip_reason, attempts, provider, \
    provider_message_id, appointment_id, due_at, created_at, sent_at from notifications where ";

/// One message to one person, without its words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Notification {
    pub id: NotificationId,
    /// The recipient.
    pub user_id: UserId,
    pub channel: Channel,
    /// What users switch on and off: `APPOINTMENT`, `REMINDER`, `RECORD`, `ACCOUNT`, `SECURITY` or `MESSAGE`.
    pub category: String,
    /// What it says: the name of the event that caused it, `appointment.reminder` or `message`.
    pub template: String,
    pub status: Status,
    /// Why it was not sent.
    pub skip_reason: Option<String>,
    /// How often it was handed to the provider.
    pub attempts: u32,
    pub provider: Option<String>,
    pub provider_message_id: Option<String>,
    pub appointment_id: Option<AppointmentId>,
    pub due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: NotificationId,
    user_id: UserId,
    channel: String,
    category: String,
    template: String,
    state: String,
    skip_reason: Option<String>,
    attempts: u32,
    provider: Option<String>,
    provider_message_id: Option<String>,
    appointment_id: Option<AppointmentId>,
    due_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Notification {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let channel: Channel = row
            .channel
            .parse()
            .map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        let state: State = row.state.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        Ok(Self {
            id: row.id,
            user_id: row.user_id,
            channel,
            category: row.category,
            template: row.template,
            status: state.status(),
            skip_reason: row.skip_reason,
            attempts: row.attempts,
            provider: row.provider,
            provider_message_id: row.provider_message_id,
            appointment_id: row.appointment_id,
            due_at: row.due_at,
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}

/// Which notifications are wanted; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this recipient: what the caller may see.
    pub visible_to: Option<UserId>,
    pub user_id: Option<UserId>,
    pub status: Option<Status>,
    pub channel: Option<Channel>,
    pub appointment_id: Option<AppointmentId>,
    /// Older than this one.
    pub before: Option<NotificationId>,
}

/// The newest first.
pub async fn list(db: &mut MySqlConnection, filter: &Filter, limit: u32) -> sqlx::Result<Vec<Notification>> {
    let mut query = QueryBuilder::<MySql>::new(COLUMNS);
    query.push("true");
    for user in [filter.visible_to, filter.user_id].into_iter().flatten() {
        query.push(" and user_id = ").push_bind(user);
    }
    if let Some(channel) = filter.channel {
        query.push(" and channel = ").push_bind(channel.as_str());
    }
    if let Some(status) = filter.status {
        query.push(" and state in (");
        let mut states = query.separated(", ");
        for state in status.states() {
            states.push_bind(state.as_str());
        }
        query.push(")");
    }
    if let Some(appointment) = filter.appointment_id {
        query.push(" and appointment_id = ").push_bind(appointment);
    }
    if let Some(before) = filter.before {
        query.push(" and id < ").push_bind(before);
    }
    query.push(" order by id desc limit ").push_bind(limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(Notification::try_from).collect()
}

pub async fn find(db: &mut MySqlConnection, id: NotificationId) -> sqlx::Result<Option<Notification>> {
    let mut query = QueryBuilder::<MySql>::new(COLUMNS);
    query.push("id = ").push_bind(id);
    let row: Option<Row> = query.build_query_as().fetch_optional(db).await?;
    row.map(Notification::try_from).transpose()
}

/// Queues a FAILED notification once more; `false` if it is not FAILED (any more) or its words are forgotten.
pub async fn requeue(
    db: &mut MySqlConnection,
    id: NotificationId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let queued = sqlx::query!(
        "update notifications set state = 'QUEUED', next_at = ?, sent_at = null, failure = null,
             expires_at = if(category = 'MESSAGE', ?, expires_at)
         where id = ? and state = 'FAILED' and facts <> ''",
        now,
        expires_at,
        id
    )
    .execute(db)
    .await?;
    Ok(queued.rows_affected() == 1)
}
