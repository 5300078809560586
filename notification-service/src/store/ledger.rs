//! The delivery ledger: what is to be told, and what came of it.

use chrono::{DateTime, Utc};
use common::ids::{NotificationId, UserId};
use sqlx::MySqlConnection;

use super::claims::Claimed;
use crate::domain::audience::Notice;
use crate::domain::channel::Channel;
use crate::domain::status::{Report, SkipReason, State};

/// Writes down what is to be told; the same thing to one person over one channel once. Returns its id, new or not.
pub async fn add(
    db: &mut MySqlConnection,
    notice: &Notice,
    channel: Channel,
    skip: Option<SkipReason>,
    now: DateTime<Utc>,
) -> sqlx::Result<NotificationId> {
    let id = NotificationId::generate();
    let template = notice.template.as_str();
    let dedup_key = format!("{template}/{}/{}/{channel}", notice.key, notice.user_id);
    let facts = serde_json::to_string(&notice.facts).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let state = if skip.is_some() {
        State::Skipped
    } else {
        State::Queued
    };
    sqlx::query!(
        "insert into notifications (id, dedup_key, user_id, channel, category, template, state, skip_reason,
             appointment_id, version, facts, due_at, next_at, expires_at, created_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on duplicate key update dedup_key = dedup_key",
        id,
        dedup_key,
        notice.user_id,
        channel.as_str(),
        notice.template.category().as_str(),
        template,
        state.as_str(),
        skip.map(SkipReason::as_str),
        notice.appointment_id,
        notice.version,
        facts,
        notice.due_at,
        // Another service's clock may be ahead of ours.
        notice.due_at.min(now),
        notice.expires_at,
        now
    )
    .execute(db)
    .await?;
    Ok(id)
}

/// Applies a provider's report to the try it belongs to; `false` if it changes nothing.
pub async fn report(
    db: &mut MySqlConnection,
    (id, attempt): (NotificationId, u32),
    report: Report,
    provider_id: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let row = sqlx::query!(
        "select state from notifications where id = ? and attempts = ? for update",
        id,
        attempt
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let state: State = row
        .state
        .parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let Some(next) = report.applied_to(state) else {
        return Ok(false);
    };
    let failure = (report == Report::Undeliverable).then_some("undeliverable");
    sqlx::query!(
        "update notifications set state = ?, facts = if(?, '', facts), failure = ?, sent_at = coalesce(sent_at, ?),
             provider_message_id = coalesce(provider_message_id, ?)
         where id = ?",
        next.as_str(),
        next == State::Delivered,
        failure,
        now,
        provider_id,
        id
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// How many SMS were handed out since `since`: to this user, and in all.
pub async fn sms_since(
    db: &mut MySqlConnection,
    user: UserId,
    since: DateTime<Utc>,
) -> sqlx::Result<(u32, u32)> {
    let own = sqlx::query_scalar!(
        "select count(*) from notifications
         where channel = 'SMS' and attempts > 0 and created_at > ? and user_id = ?",
        since,
        user
    )
    .fetch_one(&mut *db)
    .await?;
    let all = sqlx::query_scalar!(
        "select count(*) from notifications where channel = 'SMS' and attempts > 0 and created_at > ?",
        since
    )
    .fetch_one(db)
    .await?;
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok((count(own), count(all)))
}

/// Whether a later change of the same visit has been told to this user over this channel already.
pub async fn told_later(db: &mut MySqlConnection, one: &Claimed) -> sqlx::Result<bool> {
    let later = sqlx::query!(
        "select id from notifications
         where appointment_id = ? and user_id = ? and channel = ? and category = 'APPOINTMENT' and version > ?
           and state not in ('QUEUED', 'SKIPPED') limit 1",
        one.appointment_id,
        one.user_id,
        one.channel.as_str(),
        one.version
    )
    .fetch_optional(db)
    .await?;
    Ok(later.is_some())
}

/// Whether a message of ours is known to have this id at its provider.
pub async fn knows(db: &mut MySqlConnection, provider_message_id: &str) -> sqlx::Result<bool> {
    let known = sqlx::query!(
        "select id from notifications where provider_message_id = ? limit 1",
        provider_message_id
    )
    .fetch_optional(db)
    .await?;
    Ok(known.is_some())
}

/// Forgets the words of old messages that were sent or given up, some thousands at a time.
pub async fn forget_words(db: &mut MySqlConnection, until: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update notifications set facts = ''
         where state in ('SENT', 'FAILED') and created_at < ? and facts <> '' limit 5000",
        until
    )
    .execute(db)
    .await
    .map(drop)
}
