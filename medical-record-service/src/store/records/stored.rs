//! Records as documents.

use chrono::{DateTime, Utc};
use common::ids::RecordId;
use mongodb::bson;
use serde::{Deserialize, Serialize};

use crate::crypto::WrappedKey;
use crate::domain::record::Outline;
use crate::store::{id, utc};

/// A version as stored: facts to find it by in the clear, its clinical part sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredVersion {
    pub id: bson::Uuid,
    pub version: u32,
    pub record_type: String,
    pub doctor_id: Option<bson::Uuid>,
    pub appointment_id: Option<bson::Uuid>,
    pub occurred_at: bson::DateTime,
    pub created_at: bson::DateTime,
    pub file_id: Option<bson::Uuid>,
    /// Bytes that the file takes; 0 without one.
    pub file_bytes: i64,
    pub key_id: String,
    #[serde(with = "binary")]
    pub wrapped_key: Vec<u8>,
    #[serde(with = "binary")]
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
    pub at: bson::DateTime,
    #[serde(with = "binary")]
    pub sealed_reason: Vec<u8>,
}

/// A record as stored. A list carries only the newest version in `versions`, and all ids in `version_ids`.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredRecord {
    patient_id: bson::Uuid,
    author_id: bson::Uuid,
    version_ids: Vec<bson::Uuid>,
    /// Set once the record is withdrawn.
    pub withdrawal: Option<StoredWithdrawal>,
    /// Oldest first.
    pub versions: Vec<StoredVersion>,
}

impl StoredVersion {
    /// Its id.
    pub fn id(&self) -> RecordId {
        id(self.id)
    }

    /// When it was written.
    pub fn created_at(&self) -> DateTime<Utc> {
        utc(self.created_at)
    }

    /// When the thing it tells of happened.
    pub fn occurred_at(&self) -> DateTime<Utc> {
        utc(self.occurred_at)
    }

    /// The key to open it with, as stored.
    pub fn key(&self) -> WrappedKey {
        WrappedKey {
            key_id: self.key_id.clone(),
            sealed: self.wrapped_key.clone(),
        }
    }
}

impl StoredRecord {
    /// All but the clinical part.
    pub fn outline(&self) -> Outline {
        Outline {
            patient_id: id(self.patient_id),
            author_id: id(self.author_id),
            versions: self.version_ids.iter().copied().map(id).collect(),
            is_withdrawn: self.withdrawal.is_some(),
        }
    }

    /// One version of it.
    pub fn version(&self, wanted: RecordId) -> Option<&StoredVersion> {
        self.versions.iter().find(|version| version.id() == wanted)
    }
}

/// Bytes as BSON binary; `Vec<u8>` alone would become an array of numbers.
mod binary {
    use mongodb::bson::Binary;
    use mongodb::bson::spec::BinarySubtype;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.to_vec(),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Binary::deserialize(deserializer).map(|binary| binary.bytes)
    }
}
