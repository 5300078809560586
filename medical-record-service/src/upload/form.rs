//! The fields of a record as they are sent, and what they mean once checked.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, UserId};
use common::problem::Checks;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::data::JsonObject;
use crate::domain::record::{RecordType, occurred};
use crate::domain::text;

/// A new record as JSON. As `multipart/form-data` the same members are parts, with `file` beside them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// Whose record.
    #[schema(value_type = UserId)]
    pub patient_id: Option<String>,
    #[schema(value_type = RecordType)]
    pub record_type: Option<String>,
    /// One line, at most 200 characters.
    pub title: Option<String>,
    /// At most 20 000 characters.
    pub notes: Option<String>,
    /// An object of any shape, at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// A visit of this patient (and, for a doctor, at this doctor).
    #[schema(value_type = Option<AppointmentId>)]
    pub appointment_id: Option<String>,
    /// When it happened; now, if absent.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub occurred_at: Option<String>,
}

/// A new version as JSON. Patient, type and `occurred_at` stay as they are when absent; the rest is what is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    #[schema(value_type = Option<UserId>)]
    pub patient_id: Option<String>,
    #[schema(value_type = Option<RecordType>)]
    pub record_type: Option<String>,
    pub title: Option<String>,
    pub notes: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    #[schema(value_type = Option<AppointmentId>)]
    pub appointment_id: Option<String>,
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub occurred_at: Option<String>,
    /// Why.
    #[schema(value_type = String)]
    pub amendment_reason: Option<String>,
}

/// What was sent, before it is checked.
#[derive(Debug, Default)]
pub struct Fields {
    pub patient_id: Option<String>,
    pub record_type: Option<String>,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub data: Option<String>,
    pub appointment_id: Option<String>,
    pub occurred_at: Option<String>,
    pub amendment_reason: Option<String>,
}

/// What was sent, checked.
#[derive(Debug)]
pub struct Draft {
    pub record_type: RecordType,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub data: Option<JsonObject>,
    pub appointment_id: Option<AppointmentId>,
    pub occurred_at: DateTime<Utc>,
    pub amendment_reason: Option<String>,
}

/// What stands in for fields that may be absent.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    pub record_type: Option<RecordType>,
    pub occurred_at: Option<DateTime<Utc>>,
}

impl From<NewRecord> for Fields {
    fn from(sent: NewRecord) -> Self {
        Self {
            patient_id: sent.patient_id,
            record_type: sent.record_type,
            title: sent.title,
            notes: sent.notes,
            data: sent.data.map(|data| data.get().to_owned()),
            appointment_id: sent.appointment_id,
            occurred_at: sent.occurred_at,
            amendment_reason: None,
        }
    }
}

impl From<Amendment> for Fields {
    fn from(sent: Amendment) -> Self {
        Self {
            patient_id: sent.patient_id,
            record_type: sent.record_type,
            title: sent.title,
            notes: sent.notes,
            data: sent.data.map(|data| data.get().to_owned()),
            appointment_id: sent.appointment_id,
            occurred_at: sent.occurred_at,
            amendment_reason: sent.amendment_reason,
        }
    }
}

impl Fields {
    /// The member that a form's part fills, and how many bytes it may have; `None` for an unknown name.
    pub fn slot(&mut self, name: &str, amending: bool) -> Option<(&mut Option<String>, usize)> {
        const SHORT: usize = 256;
        Some(match name {
            "patient_id" => (&mut self.patient_id, SHORT),
            "record_type" => (&mut self.record_type, SHORT),
            "appointment_id" => (&mut self.appointment_id, SHORT),
            "occurred_at" => (&mut self.occurred_at, SHORT),
            "title" => (&mut self.title, text::TITLE * 4),
            "notes" => (&mut self.notes, text::NOTES * 4),
            "data" => (&mut self.data, crate::domain::data::SIZE),
            "amendment_reason" if amending => (&mut self.amendment_reason, text::REASON * 4),
            _ => return None,
        })
    }

    /// The patient, if a readable one was sent.
    pub fn patient(&self) -> Option<UserId> {
        self.patient_id.as_deref()?.parse().ok()
    }

    /// The type, if a readable one was sent.
    pub fn kind(&self) -> Option<RecordType> {
        self.record_type.as_deref()?.parse().ok()
    }

    /// Everything in the order of the contract: two requests that ask for the same have the same.
    pub fn canonical(&self) -> [Option<&str>; 8] {
        [
            self.patient_id.as_deref(),
            self.record_type.as_deref(),
            self.title.as_deref(),
            self.notes.as_deref(),
            self.data.as_deref(),
            self.appointment_id.as_deref(),
            self.occurred_at.as_deref(),
            self.amendment_reason.as_deref(),
        ]
    }

    /// Check all fields but `patient_id` and `amendment_reason`, noting everything that is wrong.
    pub fn draft(self, checks: &mut Checks, defaults: Defaults, now: DateTime<Utc>) -> Option<Draft> {
        let record_type = match present(self.record_type) {
            Some(text) => checks.take("/record_type", text.parse()),
            None => defaults.record_type.or_else(|| {
                checks.refuse("/record_type", "is required");
                None
            }),
        };
        let occurred_at = match present(self.occurred_at) {
            Some(text) => {
                instant(&text, checks).and_then(|at| checks.take("/occurred_at", occurred(at, now)))
            }
            None => defaults.occurred_at,
        };
        let appointment_id =
            present(self.appointment_id).map(|text| checks.take("/appointment_id", text.parse()));
        let data = present(self.data).map(|text| checks.take("/data", JsonObject::parse(&text)));
        let title = checks.take("/title", text::title(self.title));
        let notes = checks.take("/notes", text::notes(self.notes));
        Some(Draft {
            record_type: record_type?,
            title: title?,
            notes: notes?,
            // `Some(None)`: sent, and refused above.
            data: data.map_or(Some(None), |data| data.map(Some))?,
            appointment_id: appointment_id.map_or(Some(None), |id| id.map(Some))?,
            occurred_at: occurred_at?,
            amendment_reason: None,
        })
    }
}

/// Forms send empty parts for what was left blank.
fn present(field: Option<String>) -> Option<String> {
    field.filter(|text| !text.trim().is_empty())
}

fn instant(text: &str, checks: &mut Checks) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text.trim())
        .map_err(|_| "is not an instant such as 2026-01-31T09:30:00Z");
    checks.take("/occurred_at", parsed).map(|at| at.to_utc())
}
