//! Table `doctors`.

use chrono::{DateTime, Utc};
use common::clients::users::{Availability, Verification};
use common::ids::UserId;
use sqlx::MySqlConnection;

use super::users::{Row, contains};
use crate::domain::user::{Account, Profile, verification_str};

/// Which doctors the directory shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Exactly this, whatever the case.
    pub specialization: Option<String>,
    /// Part of name or specialization.
    pub text: Option<String>,
}

/// An administrator's decision.
pub struct Decision<'a> {
    pub verification: Verification,
    pub note: Option<&'a str>,
    pub by: UserId,
    pub at: DateTime<Utc>,
}

/// Make an account a doctor's.
pub async fn insert(connection: &mut MySqlConnection, user: UserId, profile: &Profile) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into doctors (user_id, specialization, license_number, verification, availability)
        values (?, ?, ?, ?, ?)",
        user,
        profile.specialization,
        profile.license_number,
        verification_str(profile.verification),
        json(&profile.availability)?
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Doctors whom patients may find, by name, after the one named and numbered `after`.
pub async fn list(
    connection: &mut MySqlConnection,
    filter: &Filter,
    after: Option<&(String, UserId)>,
    limit: u32,
) -> sqlx::Result<Vec<Account>> {
    let nobody = (String::new(), UserId::from(uuid::Uuid::nil()));
    let (name, id) = after.unwrap_or(&nobody);
    let text = filter.text.as_deref().map(contains);
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id as "id: _", u.email, u.name, u.role, u.status, u.phone, u.time_zone, u.preferences,
            u.created_at as "created_at: _", d.specialization as "specialization?", d.license_number,
            d.verification as "verification?", d.availability as "availability?"
        from doctors d join users u on u.id = d.user_id
        where d.verification = 'VERIFIED' and u.role = 'DOCTOR' and u.status = 'ACTIVE'
            and (u.name > ? or (u.name = ? and u.id > ?))
            and (? is null or d.specialization = ?)
            and (? is null or u.name like ? escape '!' or d.specialization like ? escape '!')
        order by u.name, u.id limit ?"#,
        name,
        name,
        id,
        filter.specialization,
        filter.specialization,
        text,
        text,
        text,
        limit
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// Write down a decision.
pub async fn decide(
    connection: &mut MySqlConnection,
    user: UserId,
    decision: &Decision<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update doctors set verification = ?, verification_note = ?, verified_by = ?, verified_at = ? where user_id = ?",
        verification_str(decision.verification),
        decision.note,
        decision.by,
        decision.at,
        user
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Set the hours.
pub async fn set_availability(
    connection: &mut MySqlConnection,
    user: UserId,
    availability: &Availability,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update doctors set availability = ? where user_id = ?",
        json(availability)?,
        user
    )
    .execute(connection)
    .await
    .map(drop)
}

fn json(availability: &Availability) -> sqlx::Result<String> {
    serde_json::to_string(availability).map_err(|error| sqlx::Error::Encode(error.into()))
}
