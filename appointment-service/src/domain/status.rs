//! Names of states and of what leads from one to the next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A state's name in the API, in events and in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Booked,
    Confirmed,
    Completed,
    Cancelled,
    NoShow,
}

/// What was done to a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    Booked,
    Rescheduled,
    Confirmed,
    Completed,
    Cancelled,
    NoShow,
}

/// The text names nothing of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of {0}")]
pub struct UnknownName(&'static str);

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "BOOKED",
            Self::Confirmed => "CONFIRMED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::NoShow => "NO_SHOW",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [
            Self::Booked,
            Self::Confirmed,
            Self::Completed,
            Self::Cancelled,
            Self::NoShow,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or(UnknownName("BOOKED, CONFIRMED, COMPLETED, CANCELLED, NO_SHOW"))
    }
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "BOOKED",
            Self::Rescheduled => "RESCHEDULED",
            Self::Confirmed => "CONFIRMED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::NoShow => "NO_SHOW",
        }
    }
}

impl FromStr for Action {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [
            Self::Booked,
            Self::Rescheduled,
            Self::Confirmed,
            Self::Completed,
            Self::Cancelled,
            Self::NoShow,
        ]
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or(UnknownName(
            "BOOKED, RESCHEDULED, CONFIRMED, COMPLETED, CANCELLED, NO_SHOW",
        ))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As in "cannot be …".
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Booked => "booked",
            Self::Rescheduled => "moved",
            Self::Confirmed => "confirmed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::NoShow => "marked as missed",
        })
    }
}
