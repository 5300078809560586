//! The delivery ledger as the sender works on it: whoever claims a notification has it for a while.

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{AppointmentId, NotificationId, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::domain::audience::Facts;
use crate::domain::channel::Channel;
use crate::domain::outcome::Next;
use crate::domain::status::State;
use crate::domain::template::Template;

/// Longer than it takes to look at what a message needs.
const CLAIM: TimeDelta = TimeDelta::minutes(1);
/// Longer than any provider may take to answer.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// How long a provider's report is waited for when this process died over a message.
const REPORT: TimeDelta = TimeDelta::minutes(5);

/// A notification that this instance works on.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: NotificationId,
    pub user_id: UserId,
    pub channel: Channel,
    pub template: Template,
    pub state: State,
    pub attempts: u32,
    pub appointment_id: Option<AppointmentId>,
    pub version: u32,
    pub facts: Facts,
    pub possible_duplicate: bool,
    pub due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Proves that it is still ours.
    pub claim: Uuid,
}

/// Takes up to `limit` notifications of `channel` that are due.
pub async fn claim(
    db: &mut MySqlConnection,
    channel: Channel,
    limit: u32,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    let claim = Uuid::now_v7();
    let taken = sqlx::query!(
        "update notifications set claim = ?, claimed_until = ?
         where channel = ? and state in ('QUEUED', 'AMBIGUOUS') and next_at <= ?
           and (claimed_until is null or claimed_until < ?)
         order by next_at limit ?",
        claim,
        now + CLAIM,
        channel.as_str(),
        now,
        now,
        limit
    )
    .execute(&mut *db)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select id as "id: NotificationId", user_id as "user_id: UserId", template, state, attempts,
                  appointment_id as "appointment_id: AppointmentId", version, facts,
                  possible_duplicate as "possible_duplicate: bool", due_at as "due_at: DateTime<Utc>", created_at as "created_at: DateTime<Utc>",
                  expires_at as "expires_at: DateTime<Utc>"
           from notifications where claim = ? order by next_at"#,
        claim
    )
    .fetch_all(db)
    .await?;
    let claimed = rows.into_iter().map(|row| {
        Ok(Claimed {
            id: row.id,
            user_id: row.user_id,
            channel,
            template: row.template.parse()?,
            state: row.state.parse()?,
            attempts: row.attempts,
            appointment_id: row.appointment_id,
            version: row.version,
            facts: serde_json::from_str(&row.facts)?,
            possible_duplicate: row.possible_duplicate,
            due_at: row.due_at,
            created_at: row.created_at,
            expires_at: row.expires_at,
            claim,
        })
    });
    let claimed: Result<Vec<_>, Box<dyn std::error::Error + Send + Sync>> = claimed.collect();
    claimed.map_err(sqlx::Error::Decode)
}

/// Writes down that the provider is about to be called; `false` if the claim was lost.
pub async fn begin(
    db: &mut MySqlConnection,
    one: &Claimed,
    provider: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        // MySQL assigns from left to right: the old state is asked before it is replaced.
        "update notifications set possible_duplicate = possible_duplicate or state = 'AMBIGUOUS',
             state = 'SENDING', attempts = attempts + 1, provider = ?, claimed_until = ?,
             provider_message_id = null, failure = null
         where id = ? and claim = ? and state in ('QUEUED', 'AMBIGUOUS')",
        provider,
        now + LEASE,
        one.id,
        one.claim
    )
    .execute(db)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Writes down how the call ended. A provider's report that came first is not overwritten.
pub async fn end(
    db: &mut MySqlConnection,
    one: &Claimed,
    next: &Next,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    match next {
        Next::Sent(id) => arrived(db, one, (State::Sent, id.as_deref()), now).await,
        Next::Delivered(id) => arrived(db, one, (State::Delivered, id.as_deref()), now).await,
        Next::Retry { at, code } => wait(db, one, (State::Queued, *at), code).await,
        Next::Await { until, code } => wait(db, one, (State::Ambiguous, *until), code).await,
        Next::Failed(code) => sqlx::query!(
            "update notifications set state = 'FAILED', failure = ?, claim = null, claimed_until = null
                 where id = ? and claim = ? and state in ('QUEUED', 'SENDING', 'AMBIGUOUS')",
            code,
            one.id,
            one.claim
        )
        .execute(db)
        .await
        .map(drop),
        Next::Skip(reason) => sqlx::query!(
            "update notifications set state = 'SKIPPED', skip_reason = ?, facts = '', claim = null,
                     claimed_until = null
                 where id = ? and claim = ? and state in ('QUEUED', 'SENDING', 'AMBIGUOUS')",
            reason.as_str(),
            one.id,
            one.claim
        )
        .execute(db)
        .await
        .map(drop),
    }
}

/// The message is out of our hands. Once it has arrived its words are forgotten; before, it may have to be repeated.
async fn arrived(
    db: &mut MySqlConnection,
    one: &Claimed,
    (state, provider_id): (State, Option<&str>),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update notifications set state = if(state in ('SENDING', 'AMBIGUOUS'), ?, state), facts = if(?, '', facts),
             provider_message_id = coalesce(provider_message_id, ?), sent_at = coalesce(sent_at, ?),
             claim = null, claimed_until = null
         where id = ? and claim = ?",
        state.as_str(),
        state == State::Delivered,
        provider_id,
        now,
        one.id,
        one.claim
    )
    .execute(db)
    .await
    .map(drop)
}

async fn wait(
    db: &mut MySqlConnection,
    one: &Claimed,
    (state, until): (State, DateTime<Utc>),
    code: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update notifications set state = ?, next_at = ?, failure = ?, claim = null, claimed_until = null
         where id = ? and claim = ? and state in ('QUEUED', 'SENDING', 'AMBIGUOUS')",
        state.as_str(),
        until,
        code,
        one.id,
        one.claim
    )
    .execute(db)
    .await
    .map(drop)
}

/// Gives a notification back for later without counting a try.
pub async fn postpone(db: &mut MySqlConnection, one: &Claimed, until: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update notifications set next_at = ?, claim = null, claimed_until = null where id = ? and claim = ?",
        until,
        one.id,
        one.claim
    )
    .execute(db)
    .await
    .map(drop)
}

/// Messages over which an instance died: whether they went out is for the provider to tell.
pub async fn recover(db: &mut MySqlConnection, channel: Channel, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update notifications set state = 'AMBIGUOUS', next_at = ?, failure = 'interrupted', claim = null,
             claimed_until = null
         where channel = ? and state = 'SENDING' and claimed_until < ?",
        now + REPORT,
        channel.as_str(),
        now
    )
    .execute(db)
    .await
    .map(drop)
}
