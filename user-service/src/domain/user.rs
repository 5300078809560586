//! Accounts.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use common::auth::Role;
use common::clients::users::{Availability, Preferences, Verification};
use common::ids::UserId;
use serde::{Deserialize, Serialize};

use super::email::Email;

/// Characters of a name at most.
pub const MAX_NAME: usize = 100;
/// Characters of a specialization at most.
pub const MAX_SPECIALIZATION: usize = 100;
/// Characters of a licence number at most.
pub const MAX_LICENSE: usize = 64;
/// Characters of the note to a verification at most.
pub const MAX_NOTE: usize = 500;

/// Whether somebody may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Yes.
    Active,
    /// Not until an administrator lifts it.
    Suspended,
}

impl Status {
    /// As on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
        }
    }
}

/// A stored or received text is none of the values it may be.
#[derive(Debug, thiserror::Error)]
#[error("must be one of {0}")]
pub struct Unknown(&'static str);

impl FromStr for Status {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "ACTIVE" => Ok(Self::Active),
            "SUSPENDED" => Ok(Self::Suspended),
            _ => Err(Unknown("ACTIVE, SUSPENDED")),
        }
    }
}

/// As on the wire and in the database.
pub fn verification_str(verification: Verification) -> &'static str {
    match verification {
        Verification::Pending => "PENDING",
        Verification::Verified => "VERIFIED",
        Verification::Rejected => "REJECTED",
    }
}

/// The reverse of [`verification_str`].
pub fn verification_from(text: &str) -> Result<Verification, Unknown> {
    match text {
        "PENDING" => Ok(Verification::Pending),
        "VERIFIED" => Ok(Verification::Verified),
        "REJECTED" => Ok(Verification::Rejected),
        _ => Err(Unknown("PENDING, VERIFIED, REJECTED")),
    }
}

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub status: Status,
    pub phone: Option<String>,
    pub time_zone: String,
    pub preferences: Preferences,
    pub created_at: DateTime<Utc>,
    /// Kept also when the role changes away from DOCTOR; shown only while it is DOCTOR.
    pub doctor: Option<Profile>,
}

/// What makes an account a doctor's.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub specialization: String,
    pub license_number: Option<String>,
    pub verification: Verification,
    pub availability: Availability,
}

impl Account {
    /// The profile of one who is a doctor now.
    pub fn practising(&self) -> Option<&Profile> {
        self.doctor.as_ref().filter(|_| self.role == Role::Doctor)
    }

    /// Stands in the directory and can be booked.
    pub fn is_listed(&self) -> bool {
        let verified = self
            .practising()
            .is_some_and(|profile| profile.verification == Verification::Verified);
        verified && self.status == Status::Active
    }
}

/// What the login needs to know of an account.
#[derive(Clone)]
pub struct Credentials {
    pub id: UserId,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub status: Status,
    pub password_hash: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An account to be made. Every value has been checked.
pub struct NewAccount {
    pub id: UserId,
    pub email: Email,
    pub name: String,
    pub role: Role,
    pub phone: Option<String>,
    pub time_zone: String,
    pub doctor: Option<Profile>,
}

impl NewAccount {
    /// What a password for this account must not be made of.
    pub fn context(&self) -> Vec<String> {
        let specialization = self
            .doctor
            .as_ref()
            .map(|profile| profile.specialization.as_str())
            .unwrap_or_default();
        context(&self.email, &self.name, specialization)
    }
}

/// Words that an attacker would try first for this person.
pub fn context(email: &Email, name: &str, specialization: &str) -> Vec<String> {
    let words = email
        .words()
        .chain(name.split(' '))
        .chain(specialization.split(' '));
    words
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .collect()
}
