//! Table `signing_keys`.

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use crate::domain::signing_key::Term;

/// A key as it is stored: the private half sealed.
pub struct Sealed {
    pub kid: String,
    pub public: Vec<u8>,
    pub private: Vec<u8>,
    pub term: Term,
}

/// Keys that are published at `now`, newest first: a reader that has no room for all of them keeps those in use.
pub async fn published(connection: &mut MySqlConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Sealed>> {
    let rows = sqlx::query!(
        r#"select kid, public_key, private_sealed, signs_from as "signs_from: DateTime<Utc>",
            expires_at as "expires_at: DateTime<Utc>"
        from signing_keys where expires_at is null or expires_at > ? order by signs_from desc"#,
        now
    )
    .fetch_all(connection)
    .await?;
    let keys = rows.into_iter().map(|row| Sealed {
        kid: row.kid,
        public: row.public_key,
        private: row.private_sealed,
        term: Term {
            signs_from: row.signs_from,
            expires_at: row.expires_at,
        },
    });
    Ok(keys.collect())
}

/// Names of the keys that are over at `now`, by age or because they were withdrawn.
pub async fn over(connection: &mut MySqlConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("select kid from signing_keys where expires_at <= ?", now)
        .fetch_all(connection)
        .await
}

/// Keep a new key.
pub async fn insert(connection: &mut MySqlConnection, key: &Sealed, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into signing_keys (kid, public_key, private_sealed, created_at, signs_from, expires_at)
        values (?, ?, ?, ?, ?, ?)",
        key.kid,
        key.public,
        key.private,
        now,
        key.term.signs_from,
        key.term.expires_at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Let all keys but `kid` end at `at`, or earlier if that was said before.
pub async fn expire_others(
    connection: &mut MySqlConnection,
    kid: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update signing_keys set expires_at = ? where kid <> ? and (expires_at is null or expires_at > ?)",
        at,
        kid,
        at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forget keys that ended before `before`, private halves and all.
pub async fn purge(connection: &mut MySqlConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from signing_keys where expires_at < ?", before)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
