//! Table `idempotency_keys`: requests that may be repeated, and what they were answered.

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::UserId;
use common::mysql;
use sqlx::{MySqlConnection, MySqlPool};
use uuid::Uuid;

use crate::domain::idempotency::Key;

/// A request under a key of its caller.
#[derive(Debug, Clone)]
pub struct Keyed {
    pub caller: UserId,
    pub key: Key,
    pub body_hash: [u8; 32],
}

/// The right to answer a keyed request; lost to a successor when the lease is over.
#[derive(Debug, Clone)]
pub struct Attempt {
    request: Keyed,
    id: Uuid,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

/// What is known of a keyed request.
#[derive(Debug)]
pub enum Claim {
    /// Nothing: it is ours to answer.
    Ours(Attempt),
    Answered(Answer),
    /// Somebody is working on it.
    Running,
    /// The key came with another body before.
    OtherBody,
}

/// How long keys and leases hold.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub now: DateTime<Utc>,
    pub lease: TimeDelta,
    pub keep: TimeDelta,
}

/// Take the key, or learn what came of it.
pub async fn claim(pool: &MySqlPool, request: Keyed, terms: Terms) -> sqlx::Result<Claim> {
    let attempt = Attempt {
        request,
        id: Uuid::now_v7(),
    };
    forget_expired(pool, &attempt.request, terms).await?;
    if insert(pool, &attempt, terms).await? {
        return Ok(Claim::Ours(attempt));
    }
    let Keyed {
        caller,
        key,
        body_hash,
    } = &attempt.request;
    let known = sqlx::query!(
        r#"select body_hash, attempt as "attempt: Uuid", leased_until as "leased_until: DateTime<Utc>", status,
             location, answer
           from idempotency_keys where caller_id = ? and idempotency_key = ?"#,
        caller, key.as_str(),
    )
    .fetch_optional(pool)
    .await?;
    // Given back since we tried to insert: whoever asks next gets it.
    let Some(known) = known else {
        return Ok(Claim::Running);
    };
    if known.body_hash != body_hash {
        return Ok(Claim::OtherBody);
    }
    if let (Some(status), Some(body)) = (known.status, known.answer) {
        return Ok(Claim::Answered(Answer {
            status,
            location: known.location,
            body,
        }));
    }
    if known.leased_until > terms.now || !succeed(pool, &attempt, known.attempt, terms).await? {
        return Ok(Claim::Running);
    }
    Ok(Claim::Ours(attempt))
}

async fn forget_expired(pool: &MySqlPool, request: &Keyed, terms: Terms) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from idempotency_keys where caller_id = ? and idempotency_key = ? and created_at < ?",
        request.caller,
        request.key.as_str(),
        terms.now - terms.keep,
    )
    .execute(pool)
    .await
    .map(drop)
}

async fn insert(pool: &MySqlPool, attempt: &Attempt, terms: Terms) -> sqlx::Result<bool> {
    let Keyed {
        caller,
        key,
        body_hash,
    } = &attempt.request;
    let inserted = sqlx::query!(
        "insert into idempotency_keys (caller_id, idempotency_key, body_hash, attempt, leased_until, created_at)
         values (?, ?, ?, ?, ?, ?)",
        caller, key.as_str(), body_hash.as_slice(), attempt.id, terms.now + terms.lease, terms.now,
    )
    .execute(pool)
    .await;
    match inserted {
        Ok(_) => Ok(true),
        Err(error) if mysql::violated_key(&error) == Some("PRIMARY") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Take over from an attempt whose process has died or is too slow to be waited for.
async fn succeed(pool: &MySqlPool, attempt: &Attempt, before: Uuid, terms: Terms) -> sqlx::Result<bool> {
    let Keyed { caller, key, .. } = &attempt.request;
    sqlx::query!(
        "update idempotency_keys set attempt = ?, leased_until = ?
         where caller_id = ? and idempotency_key = ? and attempt = ? and status is null",
        attempt.id,
        terms.now + terms.lease,
        caller,
        key.as_str(),
        before,
    )
    .execute(pool)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Keep the answer, in the transaction that makes it true. `false`: a successor has taken over, so nothing of that
/// transaction may be committed.
pub async fn complete(
    connection: &mut MySqlConnection,
    attempt: &Attempt,
    answer: &Answer,
) -> sqlx::Result<bool> {
    let Keyed { caller, key, .. } = &attempt.request;
    sqlx::query!(
        "update idempotency_keys set status = ?, location = ?, answer = ?
         where caller_id = ? and idempotency_key = ? and attempt = ? and status is null",
        answer.status,
        answer.location,
        answer.body,
        caller,
        key.as_str(),
        attempt.id,
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Give the key back unanswered, so that the request can be tried again at once.
pub async fn release(connection: &mut MySqlConnection, attempt: &Attempt) -> sqlx::Result<()> {
    let Keyed { caller, key, .. } = &attempt.request;
    sqlx::query!(
        "delete from idempotency_keys
         where caller_id = ? and idempotency_key = ? and attempt = ? and status is null",
        caller,
        key.as_str(),
        attempt.id,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forget keys from before `cutoff`; how many there were.
pub async fn sweep(pool: &MySqlPool, cutoff: DateTime<Utc>) -> sqlx::Result<u64> {
    sqlx::query!(
        "delete from idempotency_keys where created_at < ? limit 5000",
        cutoff
    )
    .execute(pool)
    .await
    .map(|done| done.rows_affected())
}
