//! Table `users`: what the login needs, and the password.

use chrono::{DateTime, Utc};
use common::ids::UserId;
use sqlx::MySqlConnection;

use super::unreadable;
use crate::domain::user::Credentials;

struct Row {
    id: UserId,
    name: String,
    email: String,
    role: String,
    status: String,
    password_hash: String,
}

/// What the login needs, by canonical e-mail address.
pub async fn find_by_email(connection: &mut MySqlConnection, key: &str) -> sqlx::Result<Option<Credentials>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: _", name, email, role, status, password_hash from users where email_key = ?"#,
        key
    )
    .fetch_optional(connection)
    .await?;
    row.map(Credentials::try_from).transpose()
}

/// What the login needs of the account with the canonical address `key` (and true), or of the one whose address
/// follows it. One query for both, so that neither takes longer.
pub async fn find_nearest(
    connection: &mut MySqlConnection,
    key: &str,
) -> sqlx::Result<Option<(bool, Credentials)>> {
    let row = sqlx::query!(
        r#"select email_key, id as "id: UserId", name, email, role, status, password_hash
        from users where email_key >= ? order by email_key limit 1"#,
        key
    )
    .fetch_optional(connection)
    .await?;
    let found = row.map(|row| {
        let credentials = Row {
            id: row.id,
            name: row.name,
            email: row.email,
            role: row.role,
            status: row.status,
            password_hash: row.password_hash,
        };
        Credentials::try_from(credentials).map(|credentials| (row.email_key == key, credentials))
    });
    found.transpose()
}

/// What the login needs, by id.
pub async fn find(connection: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<Credentials>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: _", name, email, role, status, password_hash from users where id = ?"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    row.map(Credentials::try_from).transpose()
}

/// The same, keeping others from changing the account until the transaction ends.
pub async fn lock(connection: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<Credentials>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: _", name, email, role, status, password_hash from users where id = ? for update"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    row.map(Credentials::try_from).transpose()
}

/// Set a new password.
pub async fn set_password(
    connection: &mut MySqlConnection,
    id: UserId,
    hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = ?, password_changed_at = ?, updated_at = ? where id = ?",
        hash,
        now,
        now,
        id
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Put a stronger hash of the same password in place of `old`, unless the password changed meanwhile.
pub async fn rehash(connection: &mut MySqlConnection, id: UserId, old: &str, new: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = ? where id = ? and password_hash = ?",
        new,
        id,
        old
    )
    .execute(connection)
    .await
    .map(drop)
}

impl TryFrom<Row> for Credentials {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.id,
            name: row.name,
            email: row.email,
            role: row.role.parse().map_err(|e| unreadable("role", e))?,
            status: row.status.parse().map_err(|e| unreadable("status", e))?,
            password_hash: row.password_hash,
        })
    }
}
