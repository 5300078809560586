//! The contract between services that speak by event: CloudEvents 1.0, ids and times only.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::context::RequestContext;
use crate::ids::{AppointmentId, EventId, RecordId, SessionId, UserId};

/// The durable topic exchange that carries every event.
pub const EXCHANGE: &str = "healthcare.events";

/// A CloudEvent in structured JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique; consumers remember it to act once.
    pub id: EventId,
    /// The service that says so, as `/user-service`.
    pub source: String,
    /// What happened; also the routing key.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the thing it happened to.
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The trace of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Ids, times, statuses and versions; see [`Payload`].
    pub data: serde_json::Value,
}

/// An event's data could not be read as its type demands.
#[derive(Debug, thiserror::Error)]
#[error("the data of {kind} cannot be read: {cause}")]
pub struct UnreadableEvent {
    kind: String,
    cause: serde_json::Error,
}

/// What can happen. New kinds and optional members may be added; nothing is ever taken away.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// `appointment.booked`
    AppointmentBooked(AppointmentChange),
    /// `appointment.rescheduled`
    AppointmentRescheduled(AppointmentChange),
    /// `appointment.confirmed`
    AppointmentConfirmed(AppointmentChange),
    /// `appointment.cancelled`
    AppointmentCancelled(AppointmentChange),
    /// `appointment.completed`
    AppointmentCompleted(AppointmentChange),
    /// `appointment.no_show`
    AppointmentNoShow(AppointmentChange),
    /// `record.created`
    RecordCreated(RecordChange),
    /// `record.amended`
    RecordAmended(RecordChange),
    /// `record.accessed_by_break_glass`
    RecordAccessedByBreakGlass(GlassBroken),
    /// `user.registered`
    UserRegistered(AccountChange),
    /// `user.verified`
    UserVerified(AccountChange),
    /// `user.password_reset_requested`
    PasswordResetRequested(PasswordReset),
    /// `user.session_ended`
    SessionEnded(SessionEnd),
    /// A kind that this build does not know: acknowledged and left alone.
    Other(String),
}

/// An appointment after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppointmentChange {
    /// Which visit.
    pub appointment_id: AppointmentId,
    /// Whose visit.
    pub patient_id: UserId,
    /// At whom.
    pub doctor_id: UserId,
    /// Start after the change.
    pub start_at: DateTime<Utc>,
    /// End after the change.
    pub end_at: DateTime<Utc>,
    /// Status after the change, as in the API.
    pub status: String,
    /// Grows by one with every change: tells late events from new ones.
    pub version: u32,
    /// Who changed it.
    pub changed_by: UserId,
    /// Start before the change, when it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_start_at: Option<DateTime<Utc>>,
}

/// A medical record that was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordChange {
    /// The version that was written.
    pub record_id: RecordId,
    /// Whose record.
    pub patient_id: UserId,
    /// Who wrote it.
    pub author_id: UserId,
    /// 1 for a new record, one more for each amendment.
    pub version: u32,
}

/// A doctor read a patient's records without a treating relationship, giving a reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlassBroken {
    /// Whose records.
    pub patient_id: UserId,
    /// Who read them.
    pub doctor_id: UserId,
    /// When.
    pub accessed_at: DateTime<Utc>,
}

/// An account came to be or was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountChange {
    /// Which account.
    pub user_id: UserId,
    /// Its role.
    pub role: crate::auth::Role,
    /// For doctors, the verification after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
}

/// Somebody asked to reset a password; the token itself never travels by event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Whose password.
    pub user_id: UserId,
    /// Under which id the notification-service fetches the token.
    pub reset_id: uuid::Uuid,
    /// After which the token is worth nothing.
    pub expires_at: DateTime<Utc>,
}

/// Sessions ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Whose.
    pub user_id: UserId,
    /// Which; absent: all but those begun later than `ended_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When.
    pub ended_at: DateTime<Utc>,
    /// `LOGOUT`, `PASSWORD_CHANGED`, `PASSWORD_RESET`, `SUSPENDED`, `ROLE_CHANGED`, `TOKEN_REUSED`, `ENDED_BY_USER`.
    pub reason: String,
}

impl Event {
    /// An event of `source` (the service's name) about `subject`, caused by the current request.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are Copy and read better without a borrow"
    )]
    pub fn new(source: &str, subject: impl ToString, time: DateTime<Utc>, payload: &Payload) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: EventId::generate(),
            source: format!("/{source}"),
            kind: payload.kind().to_owned(),
            subject: subject.to_string(),
            time,
            datacontenttype: "application/json".to_owned(),
            traceparent: RequestContext::current().map(|context| context.traceparent.to_string()),
            data: payload.data(),
        }
    }

    /// Read the data as the type demands.
    pub fn payload(&self) -> Result<Payload, UnreadableEvent> {
        let data = self.data.clone();
        let read = match self.kind.as_str() {
            "appointment.booked" => serde_json::from_value(data).map(Payload::AppointmentBooked),
            "appointment.rescheduled" => serde_json::from_value(data).map(Payload::AppointmentRescheduled),
            "appointment.confirmed" => serde_json::from_value(data).map(Payload::AppointmentConfirmed),
            "appointment.cancelled" => serde_json::from_value(data).map(Payload::AppointmentCancelled),
            "appointment.completed" => serde_json::from_value(data).map(Payload::AppointmentCompleted),
            "appointment.no_show" => serde_json::from_value(data).map(Payload::AppointmentNoShow),
            "record.created" => serde_json::from_value(data).map(Payload::RecordCreated),
            "record.amended" => serde_json::from_value(data).map(Payload::RecordAmended),
            "record.accessed_by_break_glass" => {
                serde_json::from_value(data).map(Payload::RecordAccessedByBreakGlass)
            }
            "user.registered" => serde_json::from_value(data).map(Payload::UserRegistered),
            "user.verified" => serde_json::from_value(data).map(Payload::UserVerified),
            "user.password_reset_requested" => {
                serde_json::from_value(data).map(Payload::PasswordResetRequested)
            }
            "user.session_ended" => serde_json::from_value(data).map(Payload::SessionEnded),
            other => Ok(Payload::Other(other.to_owned())),
        };
        read.map_err(|cause| UnreadableEvent {
            kind: self.kind.clone(),
            cause,
        })
    }
}

impl Payload {
    /// The event's type and routing key.
    pub fn kind(&self) -> &str {
        match self {
            Self::AppointmentBooked(_) => "appointment.booked",
            Self::AppointmentRescheduled(_) => "appointment.rescheduled",
            Self::AppointmentConfirmed(_) => "appointment.confirmed",
            Self::AppointmentCancelled(_) => "appointment.cancelled",
            Self::AppointmentCompleted(_) => "appointment.completed",
            Self::AppointmentNoShow(_) => "appointment.no_show",
            Self::RecordCreated(_) => "record.created",
            Self::RecordAmended(_) => "record.amended",
            Self::RecordAccessedByBreakGlass(_) => "record.accessed_by_break_glass",
            Self::UserRegistered(_) => "user.registered",
            Self::UserVerified(_) => "user.verified",
            Self::PasswordResetRequested(_) => "user.password_reset_requested",
            Self::SessionEnded(_) => "user.session_ended",
            Self::Other(kind) => kind,
        }
    }

    fn data(&self) -> serde_json::Value {
        let data = match self {
            Self::AppointmentBooked(d)
            | Self::AppointmentRescheduled(d)
            | Self::AppointmentConfirmed(d)
            | Self::AppointmentCancelled(d)
            | Self::AppointmentCompleted(d)
            | Self::AppointmentNoShow(d) => serde_json::to_value(d),
            Self::RecordCreated(d) | Self::RecordAmended(d) => serde_json::to_value(d),
            Self::RecordAccessedByBreakGlass(d) => serde_json::to_value(d),
            Self::UserRegistered(d) | Self::UserVerified(d) => serde_json::to_value(d),
            Self::PasswordResetRequested(d) => serde_json::to_value(d),
            Self::SessionEnded(d) => serde_json::to_value(d),
            Self::Other(_) => Ok(serde_json::Value::Null),
        };
        data.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_wire_and_an_unknown_kind_is_left_alone() {
        let payload = Payload::RecordCreated(RecordChange {
            record_id: RecordId::generate(),
            patient_id: UserId::generate(),
            author_id: UserId::generate(),
            version: 1,
        });
        let event = Event::new("medical-record-service", "x", DateTime::UNIX_EPOCH, &payload);
        let mut wire: Event = serde_json::from_slice(&serde_json::to_vec(&event).unwrap()).unwrap();
        assert_eq!(wire.payload().unwrap(), payload);
        wire.data = serde_json::json!({"record_id": 1});
        assert!(wire.payload().is_err());
        wire.kind = "invoice.paid".to_owned();
        assert_eq!(wire.payload().unwrap(), Payload::Other("invoice.paid".to_owned()));
    }
}
