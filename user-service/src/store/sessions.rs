//! Table `sessions`.

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{SessionId, UserId};
use sqlx::MySqlConnection;

use super::unreadable;
use crate::domain::refresh::Rotation;

/// A session to be begun.
pub struct NewSession<'a> {
    pub rotation: &'a Rotation,
    pub user: UserId,
    pub address: &'a str,
    pub user_agent: &'a str,
    pub now: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A session as it stands.
pub struct Stored {
    pub rotation: Rotation,
    pub user: UserId,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A session as its owner sees it.
pub struct Listed {
    pub id: SessionId,
    pub address: String,
    pub user_agent: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Begin a session.
pub async fn insert(connection: &mut MySqlConnection, session: &NewSession<'_>) -> sqlx::Result<()> {
    let NewSession {
        rotation,
        user,
        address,
        user_agent,
        now,
        expires_at,
    } = session;
    sqlx::query!(
        "insert into sessions (id, user_id, salt, generation, rotated_at, client, address, user_agent,
            created_at, last_used_at, expires_at)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rotation.session,
        user,
        &rotation.salt[..],
        rotation.generation,
        rotation.rotated_at,
        &rotation.client[..],
        address,
        user_agent,
        now,
        now,
        expires_at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The session, keeping others from rotating it until the transaction ends.
pub async fn lock(connection: &mut MySqlConnection, id: SessionId) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"select user_id as "user_id: UserId", salt, generation, rotated_at as "rotated_at: DateTime<Utc>", client,
            last_used_at as "last_used_at: DateTime<Utc>", expires_at as "expires_at: DateTime<Utc>",
            ended_at as "ended_at: DateTime<Utc>"
        from sessions where id = ? for update"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rotation = Rotation {
        session: id,
        salt: row
            .salt
            .as_slice()
            .try_into()
            .map_err(|e| unreadable("salt", e))?,
        generation: row.generation,
        rotated_at: row.rotated_at,
        client: row
            .client
            .as_slice()
            .try_into()
            .map_err(|e| unreadable("client", e))?,
    };
    Ok(Some(Stored {
        rotation,
        user: row.user_id,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
    }))
}

/// Write down a rotation.
pub async fn rotate(
    connection: &mut MySqlConnection,
    rotation: &Rotation,
    address: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions set generation = ?, rotated_at = ?, last_used_at = ?, client = ?, address = ? where id = ?",
        rotation.generation,
        rotation.rotated_at,
        rotation.rotated_at,
        &rotation.client[..],
        address,
        rotation.session
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Sessions of `user` that are neither ended nor expired, in order of their beginning, after `after`.
pub async fn list_open(
    connection: &mut MySqlConnection,
    user: UserId,
    (now, idle): (DateTime<Utc>, TimeDelta),
    after: Option<SessionId>,
    limit: u32,
) -> sqlx::Result<Vec<Listed>> {
    let after = after.unwrap_or(SessionId::from(uuid::Uuid::nil()));
    sqlx::query_as!(
        Listed,
        r#"select id as "id: _", address, user_agent, created_at as "created_at: _",
            last_used_at as "last_used_at: _", expires_at as "expires_at: _"
        from sessions
        where user_id = ? and id > ? and ended_at is null and expires_at > ? and last_used_at > ?
        order by id limit ?"#,
        user,
        after,
        now,
        now - idle,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Ids of all sessions of `user` that have not been ended, oldest first. Lock the user first.
pub async fn open_ids(connection: &mut MySqlConnection, user: UserId) -> sqlx::Result<Vec<SessionId>> {
    let rows = sqlx::query!(
        r#"select id as "id: SessionId" from sessions where user_id = ? and ended_at is null order by id"#,
        user
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// End a session of `user`; false if there is no such open one.
pub async fn end(
    connection: &mut MySqlConnection,
    (id, user): (SessionId, UserId),
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update sessions set ended_at = ?, end_reason = ? where id = ? and user_id = ? and ended_at is null",
        now,
        reason,
        id,
        user
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody logged in to this account from this address before.
pub async fn knows_address(
    connection: &mut MySqlConnection,
    user: UserId,
    address: &str,
) -> sqlx::Result<bool> {
    let count = sqlx::query_scalar!(
        "select count(*) from (select 1 from sessions where user_id = ? and address = ? limit 1) known",
        user,
        address
    )
    .fetch_one(connection)
    .await?;
    Ok(count > 0)
}

/// Forget sessions that have been over since before `before`.
pub async fn purge(connection: &mut MySqlConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from sessions where expires_at < ? limit 5000", before)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
