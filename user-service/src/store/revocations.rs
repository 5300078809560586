//! Table `revocations`, numbered in the order of commits.

use chrono::{DateTime, Utc};
use common::auth::RevokedSession;
use common::ids::SessionId;
use sqlx::MySqlConnection;

/// Say that tokens of `sessions` are worth nothing until they would have expired anyway.
///
/// Takes the guard `revocations`, so that numbers become visible in their order: with an auto-increment a reader
/// that has seen 6 would never see the 5 that committed later.
pub async fn insert(
    connection: &mut MySqlConnection,
    sessions: &[SessionId],
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let mut seq = locked(&mut *connection).await?;
    for session in sessions {
        seq += 1;
        sqlx::query!(
            "insert into revocations (seq, session_id, until) values (?, ?, ?)",
            seq,
            session,
            until
        )
        .execute(&mut *connection)
        .await?;
    }
    advance(connection, seq).await
}

/// Let everybody who follows the numbers look again, although no session ended.
pub async fn announce(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    let seq = locked(&mut *connection).await?;
    advance(connection, seq + 1).await
}

async fn locked(connection: &mut MySqlConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select value from guards where name = 'revocations' for update")
        .fetch_one(connection)
        .await
}

async fn advance(connection: &mut MySqlConnection, seq: i64) -> sqlx::Result<()> {
    sqlx::query!("update guards set value = ? where name = 'revocations'", seq)
        .execute(connection)
        .await
        .map(drop)
}

/// The number of the newest one.
pub async fn newest(connection: &mut MySqlConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select value from guards where name = 'revocations'")
        .fetch_one(connection)
        .await
}

/// Those numbered above `after` that still matter at `now`, and the highest number that was looked at.
pub async fn after(
    connection: &mut MySqlConnection,
    after: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<(i64, Vec<RevokedSession>)> {
    // Read first: whatever commits in between is then told twice rather than never.
    let newest = newest(connection).await?;
    let rows = sqlx::query!(
        r#"select session_id as "sid: SessionId", until as "until: DateTime<Utc>"
        from revocations where seq > ? and until > ? order by seq"#,
        after,
        now
    )
    .fetch_all(connection)
    .await?;
    Ok((
        newest,
        rows.into_iter()
            .map(|row| RevokedSession {
                sid: row.sid,
                until: row.until,
            })
            .collect(),
    ))
}

/// Forget those that no longer matter.
pub async fn purge(connection: &mut MySqlConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from revocations where until < ? limit 5000", now)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
