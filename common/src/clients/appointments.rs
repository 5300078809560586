//! appointment-service, as the other services see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::http::{CallError, Http, ServiceClient};
use crate::ids::{AppointmentId, UserId};

/// Answer of `GET /internal/appointments/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppointmentCard {
    /// The visit.
    pub id: AppointmentId,
    /// Whose.
    pub patient_id: UserId,
    /// At whom.
    pub doctor_id: UserId,
    /// `BOOKED`, `CONFIRMED`, `COMPLETED`, `CANCELLED` or `NO_SHOW`.
    pub status: String,
    /// Start.
    pub start_at: DateTime<Utc>,
    /// End.
    pub end_at: DateTime<Utc>,
    /// IANA name of the doctor's zone.
    pub time_zone: String,
    /// Grows by one with every change.
    pub version: u32,
}

/// Answer of `GET /internal/relationships`: whether visits between the two give the doctor access to records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relationship {
    /// The visit that gives access now; `None`: no access by appointment.
    pub appointment_id: Option<AppointmentId>,
    /// Until when it does.
    pub until: Option<DateTime<Utc>>,
}

/// The client.
#[derive(Clone)]
pub struct Appointments(ServiceClient);

impl Appointments {
    /// Calls through `http`.
    pub fn new(http: &Http) -> Self {
        Self(http.service("appointment-service"))
    }

    /// The visit, if it exists.
    pub async fn find(&self, id: AppointmentId) -> Result<Option<AppointmentCard>, CallError> {
        self.0.get(&format!("/internal/appointments/{id}")).await
    }

    /// Whether a visit between the two gives `doctor` access to the records of `patient` now.
    pub async fn relationship(&self, doctor: UserId, patient: UserId) -> Result<Relationship, CallError> {
        let path = format!("/internal/relationships?doctor_id={doctor}&patient_id={patient}");
        Ok(self.0.get(&path).await?.unwrap_or(Relationship {
            appointment_id: None,
            until: None,
        }))
    }
}
