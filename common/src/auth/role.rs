use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// What an account may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Runs the house; reads no clinical content.
    Admin,
    /// Keeps a calendar and writes records, once verified.
    Doctor,
    /// Books visits and owns records.
    Patient,
}

impl Role {
    /// As on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Doctor => "DOCTOR",
            Self::Patient => "PATIENT",
        }
    }
}

/// From its name and nothing else: derived, it would take `{"ADMIN": null}` as well.
impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no role.
#[derive(Debug, thiserror::Error)]
#[error("must be ADMIN, DOCTOR or PATIENT")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "ADMIN" => Ok(Self::Admin),
            "DOCTOR" => Ok(Self::Doctor),
            "PATIENT" => Ok(Self::Patient),
            _ => Err(UnknownRole),
        }
    }
}
