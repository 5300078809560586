//! The public API's documents, as far as the demo and the tests look into them.

use chrono::{DateTime, FixedOffset, NaiveDate};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One page of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// What one says about oneself when registering.
#[derive(Clone, Debug, Serialize)]
pub struct NewUser {
    pub name: String,
    pub email: String,
    pub password: String,
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doctor: Option<NewDoctor>,
}

/// What a doctor adds to that.
#[derive(Clone, Debug, Serialize)]
pub struct NewDoctor {
    pub specialization: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

/// When a doctor sees patients.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Availability {
    pub time_zone: String,
    pub slot_minutes: u32,
    pub weekly: Vec<Hours>,
    #[serde(default)]
    pub exceptions: Vec<serde_json::Value>,
}

/// Working hours of one day of the week.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Hours {
    pub day: String,
    pub start: String,
    pub end: String,
}

impl Availability {
    /// The same hours on all seven days.
    pub fn daily(time_zone: &str, slot_minutes: u32, start: &str, end: &str) -> Self {
        let days = [
            "MONDAY",
            "TUESDAY",
            "WEDNESDAY",
            "THURSDAY",
            "FRIDAY",
            "SATURDAY",
            "SUNDAY",
        ];
        let hours = |day: &str| Hours {
            day: day.to_owned(),
            start: start.to_owned(),
            end: end.to_owned(),
        };
        Self {
            time_zone: time_zone.to_owned(),
            slot_minutes,
            weekly: days.into_iter().map(hours).collect(),
            exceptions: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub name: String,
    pub email: String,
    pub role: String,
    pub status: String,
    pub phone: Option<String>,
    pub time_zone: Option<String>,
    pub doctor: Option<Doctor>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Doctor {
    pub id: Uuid,
    pub name: String,
    pub specialization: String,
    pub verification: String,
    pub availability: Option<Availability>,
}

/// The answer to a login or a refresh.
#[derive(Clone, Debug, Deserialize)]
pub struct Login {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in: u64,
    pub user: Identity,
}

/// Who has logged in.
#[derive(Clone, Debug, Deserialize)]
pub struct Identity {
    pub id: Uuid,
    pub name: String,
    pub role: String,
}

/// A doctor's free times.
#[derive(Clone, Debug, Deserialize)]
pub struct Slots {
    pub time_zone: String,
    pub slot_minutes: u32,
    pub slots: Vec<Slot>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Slot {
    pub date: NaiveDate,
    pub time: String,
    pub start_at: DateTime<FixedOffset>,
    pub end_at: DateTime<FixedOffset>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Appointment {
    pub id: Uuid,
    pub patient_id: Uuid,
    pub patient_name: Option<String>,
    pub doctor_id: Uuid,
    pub doctor_name: Option<String>,
    pub date: NaiveDate,
    pub time: String,
    pub time_zone: String,
    pub start_at: DateTime<FixedOffset>,
    pub status: String,
    pub reason: Option<String>,
    pub version: u64,
}

/// A file that goes with a record.
#[derive(Clone, Debug)]
pub struct Upload {
    pub name: String,
    pub content_type: String,
    pub content: Vec<u8>,
}

/// A record to be written.
#[derive(Clone, Debug)]
pub struct NewRecord {
    pub patient_id: Uuid,
    pub record_type: &'static str,
    pub title: String,
    pub notes: Option<String>,
    pub data: Option<serde_json::Value>,
    pub appointment_id: Option<Uuid>,
    pub file: Option<Upload>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    pub id: Uuid,
    pub patient_id: Uuid,
    pub author_id: Uuid,
    pub record_type: String,
    pub title: Option<String>,
    pub status: String,
    pub file: Option<FileInfo>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct FileInfo {
    pub name: String,
    pub content_type: String,
    pub size: u64,
    pub sha256: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Notification {
    pub id: Uuid,
    pub user_id: Uuid,
    pub channel: String,
    pub category: String,
    pub template: Option<String>,
    pub status: String,
    pub appointment_id: Option<Uuid>,
}

impl Notification {
    /// Handed over to whoever carries it, or known to have arrived.
    pub fn has_left(&self) -> bool {
        matches!(self.status.as_str(), "SENT" | "DELIVERED")
    }
}
