//! Who is told what when something has happened.

use chrono::{DateTime, TimeDelta, Utc};
use common::events::{AppointmentChange, Event, Payload, RecordChange, SessionEnd};
use common::ids::{AppointmentId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::template::Template;

/// Something that one person is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub user_id: UserId,
    pub template: Template,
    /// By SMS as well, unless the user says otherwise.
    pub sms: bool,
    /// What happened; the same thing is told to one person over one channel once.
    pub key: String,
    pub appointment_id: Option<AppointmentId>,
    /// Which change of the visit it tells of.
    pub version: u32,
    pub facts: Facts,
    pub due_at: DateTime<Utc>,
    /// From then on it is of no use.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What the wording needs besides the recipient: nothing about anybody's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_start_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_id: Option<Uuid>,
    /// An administrator's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whom `event` is told to, now.
pub fn notices(event: &Event, payload: &Payload) -> Vec<Notice> {
    match payload {
        Payload::AppointmentBooked(change) => both(change, Template::AppointmentBooked, false, event.time),
        Payload::AppointmentConfirmed(change) => {
            both(change, Template::AppointmentConfirmed, false, event.time)
        }
        Payload::AppointmentRescheduled(change) => {
            both(change, Template::AppointmentRescheduled, true, event.time)
        }
        Payload::AppointmentCancelled(change) => {
            both(change, Template::AppointmentCancelled, true, event.time)
        }
        Payload::RecordCreated(change) => vec![record(change, Template::RecordCreated, event.time)],
        Payload::RecordAmended(change) => vec![record(change, Template::RecordAmended, event.time)],
        Payload::RecordAccessedByBreakGlass(access) => vec![Notice {
            facts: Facts {
                at: Some(access.accessed_at),
                ..Facts::default()
            },
            ..plain(
                access.patient_id,
                Template::GlassBroken,
                event.id.to_string(),
                event.time,
            )
        }],
        Payload::UserVerified(change) if change.verification.as_deref() == Some("VERIFIED") => {
            vec![plain(
                change.user_id,
                Template::DoctorVerified,
                event.id.to_string(),
                event.time,
            )]
        }
        Payload::PasswordResetRequested(reset) => vec![Notice {
            facts: Facts {
                reset_id: Some(reset.reset_id),
                ..Facts::default()
            },
            expires_at: Some(reset.expires_at),
            ..plain(
                reset.user_id,
                Template::PasswordReset,
                reset.reset_id.to_string(),
                event.time,
            )
        }],
        Payload::SessionEnded(end) => ended(end, event.time).into_iter().collect(),
        Payload::AppointmentCompleted(_)
        | Payload::AppointmentNoShow(_)
        | Payload::UserRegistered(_)
        | Payload::UserVerified(_)
        | Payload::Other(_) => Vec::new(),
    }
}

/// The reminder of a visit that is due.
pub fn reminder(
    patient_id: UserId,
    appointment_id: AppointmentId,
    start_at: DateTime<Utc>,
    offset_minutes: u32,
    due_at: DateTime<Utc>,
) -> Notice {
    Notice {
        sms: true,
        appointment_id: Some(appointment_id),
        facts: Facts {
            start_at: Some(start_at),
            ..Facts::default()
        },
        ..plain(
            patient_id,
            Template::AppointmentReminder,
            format!("{appointment_id}/{}/{offset_minutes}", start_at.timestamp()),
            due_at,
        )
    }
}

/// Patient and doctor; by SMS as well, where `to_the_other_side` says so, whoever did not do it.
fn both(
    change: &AppointmentChange,
    template: Template,
    to_the_other_side: bool,
    at: DateTime<Utc>,
) -> Vec<Notice> {
    // A cancellation is worth telling even after the hour that the visit would have had.
    let grace = if template == Template::AppointmentCancelled {
        TimeDelta::days(1)
    } else {
        TimeDelta::zero()
    };
    [change.patient_id, change.doctor_id]
        .map(|user_id| Notice {
            sms: to_the_other_side && user_id != change.changed_by,
            appointment_id: Some(change.appointment_id),
            version: change.version,
            facts: Facts {
                start_at: Some(change.start_at),
                previous_start_at: change.previous_start_at,
                ..Facts::default()
            },
            expires_at: Some(change.start_at + grace),
            ..plain(
                user_id,
                template,
                format!("{}/{}", change.appointment_id, change.version),
                at,
            )
        })
        .into()
}

fn record(change: &RecordChange, template: Template, at: DateTime<Utc>) -> Notice {
    plain(change.patient_id, template, change.record_id.to_string(), at)
}

/// Ends that the owner may know nothing of. One change may end many sessions and is told once.
fn ended(end: &SessionEnd, at: DateTime<Utc>) -> Option<Notice> {
    let template = match end.reason.as_str() {
        "PASSWORD_CHANGED" | "PASSWORD_RESET" => Template::PasswordChanged,
        "SECOND_FACTOR_CHANGED" => Template::SecondFactorChanged,
        "TOKEN_REUSED" => Template::TokenReused,
        _ => return None,
    };
    let key = format!("{}/{}", end.user_id, end.ended_at.timestamp());
    Some(plain(end.user_id, template, key, at))
}

fn plain(user_id: UserId, template: Template, key: String, at: DateTime<Utc>) -> Notice {
    Notice {
        user_id,
        template,
        sms: false,
        key,
        appointment_id: None,
        version: 0,
        facts: Facts::default(),
        due_at: at,
        expires_at: Some(at + TimeDelta::days(7)),
    }
}

#[cfg(test)]
mod tests;
