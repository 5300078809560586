//! A record as it is answered.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use common::extract::Json;
use common::ids::{AppointmentId, RecordId, UserId};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::data::JsonObject;
use crate::domain::record::{FileFacts, RecordType, Status, Withdrawal};
use crate::error::Error;
use crate::store::records::{StoredRecord, StoredVersion};
use crate::vault::Vault;

/// One version of a medical record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
pub struct RecordView {
    pub id: RecordId,
    pub patient_id: UserId,
    /// The doctor who wrote it; `null` if the patient did.
    pub doctor_id: Option<UserId>,
    pub author_id: UserId,
    pub record_type: RecordType,
    pub title: Option<String>,
    pub notes: Option<String>,
    /// Unstructured.
    #[schema(value_type = Option<Object>)]
    pub data: Option<JsonObject>,
    pub appointment_id: Option<AppointmentId>,
    pub occurred_at: DateTime<Utc>,
    pub file: Option<FileFacts>,
    pub status: Status,
    /// 1 for a new record, one more with each amendment.
    pub version: u32,
    /// The version before.
    pub amends: Option<RecordId>,
    pub amendment_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When and why it was withdrawn.
    pub withdrawal: Option<Withdrawal>,
}

impl RecordView {
    /// Open one version of a record.
    pub fn open(vault: &Vault, record: &StoredRecord, version: &StoredVersion) -> Result<Self, Error> {
        let content = vault.content(record, version)?;
        let outline = record.outline();
        let id = version.id;
        let status = outline.status(id);
        let withdrawal = if status == Status::Withdrawn {
            vault.withdrawal(record, version)?
        } else {
            None
        };
        Ok(Self {
            id,
            patient_id: outline.patient_id,
            doctor_id: version.doctor_id,
            author_id: outline.author_id,
            record_type: version.record_type,
            title: content.title,
            notes: content.notes,
            data: content.data,
            appointment_id: version.appointment_id,
            occurred_at: version.occurred_at,
            file: content.file,
            status,
            version: version.version,
            amends: outline.amends(id),
            amendment_reason: content.amendment_reason,
            created_at: version.created_at,
            withdrawal,
        })
    }

    /// 201 with the place of the new version.
    pub fn created(self) -> Response {
        let place = format!("/records/{}/{}", self.patient_id, self.id);
        let mut response = (StatusCode::CREATED, Json(self)).into_response();
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }

    /// The answer to a request that was sent again: what the first was answered.
    pub fn replayed(mut self) -> Response {
        self.status = Status::Final;
        self.withdrawal = None;
        let mut response = self.created();
        let marker = HeaderName::from_static("idempotency-replayed");
        response
            .headers_mut()
            .insert(marker, HeaderValue::from_static("true"));
        response
    }
}
