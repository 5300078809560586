//! Records as documents.

use chrono::{DateTime, Utc};
use common::ids::{AppointmentId, RecordId, UserId, kind};
use serde::{Deserialize, Serialize};

use crate::crypto::WrappedKey;
use crate::domain::record::{Outline, RecordType};
use crate::store::forms;

/// Names a file in GridFS.
pub type FileId = common::ids::Id<FileKind>;

/// What a [`FileId`] names.
pub enum FileKind {}

/// A version as stored: facts to find it by in the clear, its clinical part sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredVersion {
    #[serde(with = "forms::id")]
    pub id: RecordId,
    pub version: u32,
    pub record_type: RecordType,
    #[serde(with = "forms::maybe_id")]
    pub doctor_id: Option<UserId>,
    #[serde(with = "forms::maybe_id")]
    pub appointment_id: Option<AppointmentId>,
    #[serde(with = "forms::instant")]
    pub occurred_at: DateTime<Utc>,
    #[serde(with = "forms::instant")]
    pub created_at: DateTime<Utc>,
    #[serde(with = "forms::maybe_id")]
    pub file_id: Option<FileId>,
    /// Bytes of the file; 0 without one.
    pub file_bytes: i64,
    pub key: WrappedKey,
    #[serde(with = "forms::bytes")]
    pub sealed: Vec<u8>,
    /// The request that wrote it, if it carried an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<StoredRequest>,
}

/// An idempotent request: its key (hashed together with user and route) and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRequest {
    pub key: String,
    pub fingerprint: String,
}

/// A withdrawal as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredWithdrawal {
    #[serde(with = "forms::instant")]
    pub at: DateTime<Utc>,
    #[serde(with = "forms::bytes")]
    pub sealed_reason: Vec<u8>,
}

/// A record as stored. A list carries only the newest version in `versions`, and all ids in `version_ids`.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredRecord {
    #[serde(with = "forms::id")]
    pub patient_id: UserId,
    #[serde(with = "forms::id")]
    pub author_id: UserId,
    #[serde(deserialize_with = "forms::ids::deserialize::<kind::Record, _>")]
    version_ids: Vec<RecordId>,
    /// Set once the record is withdrawn.
    pub withdrawal: Option<StoredWithdrawal>,
    /// Oldest first.
    pub versions: Vec<StoredVersion>,
}

impl StoredRecord {
    /// All but the clinical part.
    pub fn outline(&self) -> Outline {
        Outline {
            patient_id: self.patient_id,
            author_id: self.author_id,
            versions: self.version_ids.clone(),
            is_withdrawn: self.withdrawal.is_some(),
        }
    }

    /// One version of it.
    pub fn version(&self, wanted: RecordId) -> Option<&StoredVersion> {
        self.versions.iter().find(|version| version.id == wanted)
    }
}
