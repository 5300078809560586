//! Table `users`.

use chrono::{DateTime, Utc};
use common::auth::Role;
use common::clients::users::{Preferences, Verification};
use common::ids::UserId;
use sqlx::MySqlConnection;

use super::unreadable;
use crate::domain::user::{Account, NewAccount, Profile, Status, verification_from, verification_str};

/// Which accounts a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    pub role: Option<Role>,
    pub status: Option<Status>,
    pub verification: Option<Verification>,
    /// Part of name or e-mail address.
    pub text: Option<String>,
}

/// What a user may change of their own account.
#[derive(Debug)]
pub struct Changes {
    pub name: String,
    pub phone: Option<String>,
    pub time_zone: String,
    pub preferences: Preferences,
}

pub(super) struct Row {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: String,
    pub status: String,
    pub phone: Option<String>,
    pub time_zone: String,
    pub preferences: String,
    pub created_at: DateTime<Utc>,
    pub specialization: Option<String>,
    pub license_number: Option<String>,
    pub verification: Option<String>,
    pub availability: Option<String>,
}

/// The account, if it exists.
pub async fn find(connection: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"select u.id as "id: _", u.email, u.name, u.role, u.status, u.phone, u.time_zone, u.preferences,
            u.created_at as "created_at: _", d.specialization as "specialization?", d.license_number,
            d.verification as "verification?", d.availability as "availability?"
        from users u left join doctors d on d.user_id = u.id where u.id = ?"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    row.map(Account::try_from).transpose()
}

/// A page of accounts in order of their making, after `after`.
pub async fn list(
    connection: &mut MySqlConnection,
    filter: &Filter,
    after: Option<UserId>,
    limit: u32,
) -> sqlx::Result<Vec<Account>> {
    let after = after.unwrap_or(UserId::from(uuid::Uuid::nil()));
    let (role, status) = (filter.role.map(Role::as_str), filter.status.map(Status::as_str));
    let verification = filter.verification.map(verification_str);
    let text = filter.text.as_deref().map(contains);
    // Canonical addresses have no capitals, and are compared letter by letter.
    let address = text.as_ref().map(|text| text.to_lowercase());
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id as "id: _", u.email, u.name, u.role, u.status, u.phone, u.time_zone, u.preferences,
            u.created_at as "created_at: _", d.specialization as "specialization?", d.license_number,
            d.verification as "verification?", d.availability as "availability?"
        from users u left join doctors d on d.user_id = u.id
        where u.id > ? and (? is null or u.role = ?) and (? is null or u.status = ?)
            and (? is null or (d.verification = ? and u.role = 'DOCTOR'))
            and (? is null or u.name like ? escape '!' or u.email_key like ? escape '!')
        order by u.id limit ?"#,
        after,
        role,
        role,
        status,
        status,
        verification,
        verification,
        text,
        text,
        address,
        limit
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// The accounts of `ids` that exist.
pub async fn find_many(connection: &mut MySqlConnection, ids: &[UserId]) -> sqlx::Result<Vec<Account>> {
    let ids: Vec<String> = ids.iter().map(|id| id.uuid().simple().to_string()).collect();
    let ids = serde_json::to_string(&ids).map_err(|error| sqlx::Error::Encode(error.into()))?;
    // One statement for any number of ids; joined in this order, each is one look-up by the primary key.
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id as "id: _", u.email, u.name, u.role, u.status, u.phone, u.time_zone, u.preferences,
            u.created_at as "created_at: _", d.specialization as "specialization?", d.license_number,
            d.verification as "verification?", d.availability as "availability?"
        from json_table(?, '$[*]' columns (id char(32) path '$')) wanted
            straight_join users u on u.id = unhex(wanted.id)
            left join doctors d on d.user_id = u.id"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// Make an account. The key `users_email` is violated when the address is taken.
pub async fn insert(
    connection: &mut MySqlConnection,
    account: &NewAccount,
    password_hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let preferences =
        serde_json::to_string(&Preferences::default()).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "insert into users (id, email, email_key, name, role, status, phone, time_zone, password_hash,
            password_changed_at, preferences, created_at, updated_at)
        values (?, ?, ?, ?, ?, 'ACTIVE', ?, ?, ?, ?, ?, ?, ?)",
        account.id,
        account.email.shown(),
        account.email.key(),
        account.name,
        account.role.as_str(),
        account.phone,
        account.time_zone,
        password_hash,
        now,
        preferences,
        now,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Write what a user changed.
pub async fn update(
    connection: &mut MySqlConnection,
    id: UserId,
    changes: &Changes,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let preferences =
        serde_json::to_string(&changes.preferences).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "update users set name = ?, phone = ?, time_zone = ?, preferences = ?, updated_at = ? where id = ?",
        changes.name,
        changes.phone,
        changes.time_zone,
        preferences,
        now,
        id
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Set role and status.
pub async fn set_standing(
    connection: &mut MySqlConnection,
    id: UserId,
    (role, status): (Role, Status),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set role = ?, status = ?, updated_at = ? where id = ?",
        role.as_str(),
        status.as_str(),
        now,
        id
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Active administrators. Decide on it only behind the guard `Admins`.
pub async fn count_active_admins(connection: &mut MySqlConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select count(*) from users where role = 'ADMIN' and status = 'ACTIVE'")
        .fetch_one(connection)
        .await
}

/// Administrators of any status.
pub async fn count_admins(connection: &mut MySqlConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select count(*) from users where role = 'ADMIN'")
        .fetch_one(connection)
        .await
}

/// A pattern for `like … escape '!'` that finds `text` anywhere.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if "!%_".contains(c) {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl TryFrom<Row> for Account {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let doctor = match (row.specialization, row.verification, row.availability) {
            (Some(specialization), Some(verification), Some(availability)) => Some(Profile {
                specialization,
                license_number: row.license_number,
                verification: verification_from(&verification).map_err(|e| unreadable("verification", e))?,
                availability: serde_json::from_str(&availability)
                    .map_err(|e| unreadable("availability", e))?,
            }),
            _ => None,
        };
        Ok(Self {
            id: row.id,
            email: row.email,
            name: row.name,
            role: row.role.parse().map_err(|e| unreadable("role", e))?,
            status: row.status.parse().map_err(|e| unreadable("status", e))?,
            phone: row.phone,
            time_zone: row.time_zone,
            preferences: serde_json::from_str(&row.preferences).map_err(|e| unreadable("preferences", e))?,
            created_at: row.created_at,
            doctor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_only_letters() {
        assert_eq!(contains("50%_!"), "%50!%!_!!%");
        assert_eq!(contains(""), "%%");
    }
}
