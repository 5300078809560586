//! The forms as OpenAPI describes them; `upload::reception` reads them part by part.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, UserId};
use utoipa::ToSchema;

use crate::domain::record::RecordType;

/// A new record as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct RecordForm {
    patient_id: UserId,
    record_type: RecordType,
    title: Option<String>,
    notes: Option<String>,
    /// A JSON object.
    data: Option<String>,
    appointment_id: Option<AppointmentId>,
    occurred_at: Option<DateTime<Utc>>,
    /// PDF, PNG, JPEG, DICOM or plain text in UTF-8.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
}

/// A new version as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct AmendmentForm {
    patient_id: Option<UserId>,
    record_type: Option<RecordType>,
    title: Option<String>,
    notes: Option<String>,
    /// A JSON object.
    data: Option<String>,
    appointment_id: Option<AppointmentId>,
    occurred_at: Option<DateTime<Utc>>,
    amendment_reason: String,
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
}
