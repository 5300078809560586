//! Between a row of `appointments` and a visit.

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{AppointmentId, UserId};
use sqlx::Error;

use crate::domain::appointment::{Appointment, By, Cancellation, State};
use crate::domain::schedule::Slot;
use crate::domain::status::Status;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: AppointmentId,
    pub(super) patient_id: UserId,
    pub(super) doctor_id: UserId,
    pub(super) start_at: DateTime<Utc>,
    pub(super) end_at: DateTime<Utc>,
    pub(super) time_zone: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) made_by: UserId,
    pub(super) made_by_role: String,
    pub(super) agreed_at: Option<DateTime<Utc>>,
    pub(super) notice_minutes: u32,
    pub(super) cancelled_by: Option<UserId>,
    pub(super) cancelled_by_role: Option<String>,
    pub(super) cancelled_reason: Option<String>,
    pub(super) cancelled_at: Option<DateTime<Utc>>,
    pub(super) version: u32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Appointment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let state = match parse(&row.status)? {
            Status::Booked => State::Booked,
            Status::Confirmed => State::Confirmed,
            Status::Completed => State::Completed,
            Status::NoShow => State::NoShow,
            Status::Cancelled => State::Cancelled(row.cancellation()?),
        };
        Ok(Self {
            id: row.id,
            patient_id: row.patient_id,
            doctor_id: row.doctor_id,
            slot: Slot {
                start: row.start_at,
                end: row.end_at,
                zone: parse(&row.time_zone)?,
            },
            state,
            reason: row.reason,
            made_by: By {
                id: row.made_by,
                role: parse(&row.made_by_role)?,
            },
            agreed_at: row.agreed_at,
            notice: TimeDelta::minutes(row.notice_minutes.into()),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Row {
    fn cancellation(&self) -> Result<Cancellation, Error> {
        let missing = || Error::Decode("a cancelled visit without its cancellation".into());
        let role = self.cancelled_by_role.as_deref().ok_or_else(missing)?;
        Ok(Cancellation {
            by: By {
                id: self.cancelled_by.ok_or_else(missing)?,
                role: parse(role)?,
            },
            reason: self.cancelled_reason.clone(),
            at: self.cancelled_at.ok_or_else(missing)?,
        })
    }
}

/// Text of a column that holds a name of ours.
pub(super) fn parse<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error: T::Err| Error::Decode(Box::new(error)))
}
