//! user-service, as the other services see it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Role;
use crate::http::{CallError, Http, ServiceClient};
use crate::ids::UserId;

/// Ids in one look-up at most.
pub const MAX_LOOKUP: usize = 200;

/// What another service may know of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserCard {
    /// The account.
    pub id: UserId,
    /// The name as the user wrote it.
    pub name: String,
    /// The address for e-mail.
    pub email: String,
    /// E.164, when known.
    pub phone: Option<String>,
    /// The role now.
    pub role: Role,
    /// `ACTIVE` or `SUSPENDED`.
    pub status: String,
    /// IANA name.
    pub time_zone: String,
    /// How the user wants to be told.
    pub notifications: Preferences,
    /// For doctors.
    pub doctor: Option<DoctorCard>,
}

/// What another service may know of a doctor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoctorCard {
    /// What they do.
    pub specialization: String,
    /// Whether an admin has checked the licence.
    pub verification: Verification,
    /// When they see patients.
    pub availability: Availability,
}

/// Whether an admin has checked a doctor's licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verification {
    /// Not yet.
    Pending,
    /// Yes.
    Verified,
    /// Refused.
    Rejected,
}

/// A doctor's weekly hours, with exceptions by date; all wall-clock in `time_zone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// IANA name of the zone that the times are in.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// Length of a visit in minutes.
    pub slot_minutes: u32,
    /// The windows of an ordinary week.
    pub weekly: Vec<WeeklyWindow>,
    /// Days that differ.
    #[serde(default)]
    pub exceptions: Vec<DayException>,
}

/// A window of an ordinary week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyWindow {
    /// `MONDAY` to `SUNDAY`.
    pub day: Day,
    /// `HH:MM`.
    pub start: String,
    /// `HH:MM`, later than `start`.
    pub end: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A date that differs from the ordinary week: closed, or open at other times (which replace that day's windows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayException {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// `false`: no visits on that day.
    pub available: bool,
    /// `HH:MM`; only with `available: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// `HH:MM`; only with `available: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// How a user wants to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// Category → what differs from the default. Security mail cannot be switched off.
    #[serde(default)]
    pub categories: BTreeMap<String, ChannelChoice>,
    /// No SMS and no reminder mail between these wall-clock times of the user's zone.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// BCP 47 tag, as `en` or `de-CH`.
    #[serde(default)]
    pub language: Option<String>,
}

/// Channels of one category; absent: the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelChoice {
    /// E-mail wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<bool>,
    /// SMS wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<bool>,
}

/// A daily span; `start` later than `end` goes over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `HH:MM`
    pub start: String,
    /// `HH:MM`
    pub end: String,
}

/// Body of `POST /internal/users/lookup`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// At most [`MAX_LOOKUP`].
    pub ids: Vec<UserId>,
}

/// Answer of `POST /internal/users/lookup`: those that exist, in no order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// The accounts.
    pub users: Vec<UserCard>,
}

/// Answer of `GET /internal/password-resets/{id}`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetToken {
    /// Whose password.
    pub user_id: UserId,
    /// What the mail's link carries.
    pub token: String,
    /// After which it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

/// The client.
#[derive(Clone)]
pub struct Users(ServiceClient);

impl Users {
    /// Calls through `http`.
    pub fn new(http: &Http) -> Self {
        Self(http.service("user-service"))
    }

    /// The account, if it exists.
    pub async fn find(&self, id: UserId) -> Result<Option<UserCard>, CallError> {
        self.0.get(&format!("/internal/users/{id}")).await
    }

    /// The accounts of `ids` that exist, in batches of [`MAX_LOOKUP`].
    pub async fn lookup(&self, ids: &[UserId]) -> Result<Vec<UserCard>, CallError> {
        let mut users = Vec::with_capacity(ids.len());
        for batch in ids.chunks(MAX_LOOKUP) {
            let body = Lookup { ids: batch.to_vec() };
            let found: Option<Found> = self.0.query("/internal/users/lookup", &body).await?;
            users.extend(found.into_iter().flat_map(|found| found.users));
        }
        Ok(users)
    }

    /// The token of a password reset that is still open.
    pub async fn reset_token(&self, reset_id: Uuid) -> Result<Option<ResetToken>, CallError> {
        self.0.get(&format!("/internal/password-resets/{reset_id}")).await
    }
}

impl UserCard {
    /// A doctor whom an admin has verified and nobody suspended.
    pub fn is_verified_doctor(&self) -> bool {
        let verified = self
            .doctor
            .as_ref()
            .is_some_and(|doctor| doctor.verification == Verification::Verified);
        self.role == Role::Doctor && self.is_active() && verified
    }

    /// Not suspended.
    pub fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }
}
