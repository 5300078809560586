//! What happens to a visit, and why something may not.

use chrono::{DateTime, Utc};

use super::appointment::By;
use super::status::{Action, Status};

/// One entry of a visit's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub version: u32,
    pub action: Action,
    pub from: Option<Status>,
    pub to: Status,
    /// `None` for the booking itself.
    pub from_start: Option<DateTime<Utc>>,
    pub to_start: DateTime<Utc>,
    pub by: By,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a visit that is {from} cannot be {action}")]
    InvalidTransition { from: Status, action: Action },
    #[error("the visit has begun: it cannot be {action} any more")]
    Begun { action: Action },
    #[error("nobody can have missed a visit before it begins")]
    NotBegun,
    #[error("patients can cancel or move this visit until {until}")]
    WindowClosed { until: DateTime<Utc> },
    #[error("only the doctor or an administrator does this")]
    NotForPatients,
}
