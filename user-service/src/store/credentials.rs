//! Table `users`: what the login needs, and the password.

use chrono::{DateTime, Utc};
use common::ids::UserId;
use sqlx::MySqlConnection;

use super::second_factors::Stored as SecondFactor;
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

/// The credentials among the columns of a wider row.
macro_rules! credentials_of {
    ($row:ident) => {
        Credentials::try_from(Row {
            id: $row.id,
            name: $row.name,
            email: $row.email,
            role: $row.role,
            status: $row.status,
            password_hash: $row.password_hash,
        })
    };
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

/// The account that a login is tried at, or the one it costs as much as.
pub struct Nearest {
    /// The address asked for is this account's.
    pub is_it: bool,
    /// Somebody logged in to this account from the network asked for before.
    pub knows_network: bool,
    pub credentials: Credentials,
}

/// What the login needs of the account with the canonical address `key`, or of the one whose address follows it. One
/// query for both, so that neither takes longer.
pub async fn find_nearest(
    connection: &mut MySqlConnection,
    key: &str,
    network: &str,
) -> sqlx::Result<Option<Nearest>> {
    let row = sqlx::query!(
        r#"select email_key, id as "id: UserId", name, email, role, status, password_hash,
            exists(select 1 from sessions where user_id = users.id and address = ?) as "knows_network: bool"
        from users where email_key >= ? order by email_key limit 1"#,
        network,
        key
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Nearest {
        is_it: row.email_key == key,
        knows_network: row.knows_network,
        credentials: credentials_of!(row)?,
    }))
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

/// An account whose row is locked, with all that a login asks for.
pub struct Entrant {
    pub credentials: Credentials,
    pub second_factor: Option<SecondFactor>,
    /// Sessions that have not been ended.
    pub open_sessions: i64,
}

/// What [`lock`] gives and does, and in the same round trip what else the login asks for.
pub async fn lock_entrant(connection: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<Entrant>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", name, email, role, status, password_hash,
            secret_sealed as "secret?", confirmed_at as "confirmed_at: DateTime<Utc>", last_step as "last_step?",
            (select count(*) from sessions where sessions.user_id = users.id and ended_at is null)
                as "open_sessions!"
        from users left join second_factors on second_factors.user_id = users.id
        where id = ? for update"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let second_factor = row
        .secret
        .zip(row.last_step)
        .map(|(secret, last_step)| SecondFactor {
            secret,
            confirmed_at: row.confirmed_at,
            last_step,
        });
    Ok(Some(Entrant {
        credentials: credentials_of!(row)?,
        second_factor,
        open_sessions: row.open_sessions,
    }))
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
