//! Tables `second_factors` and `recovery_codes`.

use chrono::{DateTime, Utc};
use common::ids::UserId;
use sqlx::MySqlConnection;

/// A second factor; the secret is sealed.
pub struct Stored {
    pub secret: Vec<u8>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub last_step: i64,
}

/// The second factor of `user`, confirmed or not.
pub async fn find(connection: &mut MySqlConnection, user: UserId) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select secret_sealed as secret, confirmed_at as "confirmed_at: _", last_step
        from second_factors where user_id = ?"#,
        user
    )
    .fetch_optional(connection)
    .await
}

/// Begin an enrolment, in place of one that was never confirmed. A confirmed one stays as it is.
pub async fn begin(
    connection: &mut MySqlConnection,
    user: UserId,
    secret: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from second_factors where user_id = ? and confirmed_at is null",
        user
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert ignore into second_factors (user_id, secret_sealed, created_at, last_step) values (?, ?, ?, 0)",
        user,
        secret,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Accept the code of time step `step`; false if it, or a later one, was accepted before.
pub async fn advance(connection: &mut MySqlConnection, user: UserId, step: i64) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update second_factors set last_step = ? where user_id = ? and last_step < ?",
        step,
        user,
        step
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// End the enrolment: from now on a code is needed.
pub async fn confirm(connection: &mut MySqlConnection, user: UserId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update second_factors set confirmed_at = ? where user_id = ?",
        now,
        user
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Put `hashes` in place of all recovery codes of `user`.
pub async fn replace_codes(
    connection: &mut MySqlConnection,
    user: UserId,
    hashes: &[[u8; 32]],
) -> sqlx::Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = ?", user)
        .execute(&mut *connection)
        .await?;
    for hash in hashes {
        sqlx::query!(
            "insert into recovery_codes (user_id, code_hash) values (?, ?)",
            user,
            &hash[..]
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Use up a recovery code; false if there is no such unused one.
pub async fn use_code(
    connection: &mut MySqlConnection,
    user: UserId,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update recovery_codes set used_at = ? where user_id = ? and code_hash = ? and used_at is null",
        now,
        user,
        &hash[..]
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Remove the second factor and its recovery codes.
pub async fn remove(connection: &mut MySqlConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = ?", user)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("delete from second_factors where user_id = ?", user)
        .execute(connection)
        .await
        .map(drop)
}
