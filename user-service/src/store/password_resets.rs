//! Tables `password_reset_requests` and `password_resets`.

use chrono::{DateTime, Utc};
use common::ids::UserId;
use sqlx::MySqlConnection;
use uuid::Uuid;

/// A wish as it came in.
pub struct Request {
    pub id: Uuid,
    pub email_key: String,
    pub address: String,
}

/// A reset that has begun.
pub struct Reset {
    pub user: UserId,
    pub expires_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// Write down a wish.
pub async fn request(
    connection: &mut MySqlConnection,
    request: &Request,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into password_reset_requests (id, email_key, address, requested_at) values (?, ?, ?, ?)",
        request.id,
        request.email_key,
        request.address,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Take the oldest wish; it is gone when the transaction commits.
pub async fn take_request(connection: &mut MySqlConnection) -> sqlx::Result<Option<Request>> {
    let request = sqlx::query_as!(
        Request,
        r#"select id as "id: _", email_key, address from password_reset_requests
        order by id limit 1 for update skip locked"#
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(request) = &request {
        sqlx::query!("delete from password_reset_requests where id = ?", request.id)
            .execute(connection)
            .await?;
    }
    Ok(request)
}

/// Begin a reset.
pub async fn insert(
    connection: &mut MySqlConnection,
    (id, user): (Uuid, UserId),
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into password_resets (id, user_id, created_at, expires_at) values (?, ?, ?, ?)",
        id,
        user,
        now,
        expires_at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The reset, if it exists.
pub async fn find(connection: &mut MySqlConnection, id: Uuid) -> sqlx::Result<Option<Reset>> {
    sqlx::query_as!(
        Reset,
        r#"select user_id as "user: _", expires_at as "expires_at: _", closed_at as "closed_at: _"
        from password_resets where id = ?"#,
        id
    )
    .fetch_optional(connection)
    .await
}

/// Resets of `user` begun since `since`.
pub async fn count_since(
    connection: &mut MySqlConnection,
    user: UserId,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "select count(*) from password_resets where user_id = ? and created_at > ?",
        user,
        since
    )
    .fetch_one(connection)
    .await
}

/// Close one reset; false if it was closed already.
pub async fn close(connection: &mut MySqlConnection, id: Uuid, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update password_resets set closed_at = ? where id = ? and closed_at is null",
        now,
        id
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Close all resets of `user`.
pub async fn close_all(
    connection: &mut MySqlConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update password_resets set closed_at = ? where user_id = ? and closed_at is null",
        now,
        user
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forget resets that ended before `before`.
pub async fn purge(connection: &mut MySqlConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from password_resets where expires_at < ? limit 5000",
        before
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
