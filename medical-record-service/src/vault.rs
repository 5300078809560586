//! Between the clinical part as doctors write it and as the database keeps it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::ids::{RecordId, UserId};

use crate::crypto::blocks::BlockCipher;
use crate::crypto::{Broken, DataKey, MasterKeys, WrappedKey, text};
use crate::domain::record::{Content, Withdrawal};
use crate::store::records::{FileId, StoredRecord, StoredVersion, StoredWithdrawal};

/// Seals and opens records under their own keys.
#[derive(Clone)]
pub struct Vault(Arc<MasterKeys>);

/// A record version that is being written: its id and the key for everything in it.
pub struct Fresh {
    pub id: RecordId,
    key: DataKey,
    wrapped: WrappedKey,
}

/// Whose record it is, and who wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Parties {
    pub patient: UserId,
    pub author: UserId,
}

impl Vault {
    /// A vault whose record keys are wrapped by `keys`.
    pub fn new(keys: Arc<MasterKeys>) -> Self {
        Self(keys)
    }

    /// Begin a record version.
    pub fn begin(&self) -> Result<Fresh, Broken> {
        let id = RecordId::generate();
        let (key, wrapped) = self.0.generate(id)?;
        Ok(Fresh { id, key, wrapped })
    }

    /// The clinical part of a version of `record`.
    pub fn content(&self, record: &StoredRecord, version: &StoredVersion) -> Result<Content, Broken> {
        let context = content_context(parties(record), version)?;
        let bytes = text::open_text(&self.key(version)?, &context, &version.sealed)?;
        serde_json::from_slice(&bytes).map_err(|_| Broken)
    }

    /// What opens the blocks of a version's file.
    pub fn file(&self, version: &StoredVersion, file: FileId) -> Result<BlockCipher, Broken> {
        BlockCipher::new(&self.key(version)?, file.uuid())
    }

    /// A withdrawal of a record whose newest version is `head`, to be stored.
    pub fn seal_withdrawal(
        &self,
        head: &StoredVersion,
        reason: &str,
        at: DateTime<Utc>,
    ) -> Result<StoredWithdrawal, Broken> {
        let context = withdrawal_context(head, at);
        let sealed_reason = text::seal_text(&self.key(head)?, &context, reason.as_bytes())?;
        Ok(StoredWithdrawal { at, sealed_reason })
    }

    /// The withdrawal of a record whose newest version is `head`.
    pub fn withdrawal(
        &self,
        record: &StoredRecord,
        head: &StoredVersion,
    ) -> Result<Option<Withdrawal>, Broken> {
        let Some(StoredWithdrawal { at, sealed_reason }) = &record.withdrawal else {
            return Ok(None);
        };
        let bytes = text::open_text(&self.key(head)?, &withdrawal_context(head, *at), sealed_reason)?;
        Ok(Some(Withdrawal {
            reason: String::from_utf8(bytes).map_err(|_| Broken)?,
            at: *at,
        }))
    }

    fn key(&self, version: &StoredVersion) -> Result<DataKey, Broken> {
        self.0.unwrap(version.id, &version.key)
    }
}

impl Fresh {
    /// What seals the blocks of this version's file.
    pub fn file(&self, file: FileId) -> Result<BlockCipher, Broken> {
        BlockCipher::new(&self.key, file.uuid())
    }

    /// The key, as it may be stored.
    pub fn wrapped(&self) -> WrappedKey {
        self.wrapped.clone()
    }

    /// Seal the clinical part into `version`, bound to everything that stands there in the clear.
    pub fn seal(
        &self,
        parties: Parties,
        version: &mut StoredVersion,
        content: &Content,
    ) -> Result<(), Broken> {
        let bytes = serde_json::to_vec(content).map_err(|_| Broken)?;
        version.sealed = text::seal_text(&self.key, &content_context(parties, version)?, &bytes)?;
        Ok(())
    }
}

fn parties(record: &StoredRecord) -> Parties {
    Parties {
        patient: record.patient_id,
        author: record.author_id,
    }
}

/// What stands in the clear is authenticated with what is sealed: a record cannot be moved to another patient,
/// dated back or made into another type by changing its document.
fn content_context(parties: Parties, version: &StoredVersion) -> Result<Vec<u8>, Broken> {
    let StoredVersion {
        id,
        version: number,
        record_type,
        doctor_id,
        appointment_id,
        file_id,
        ..
    } = version;
    let who = (parties.patient, parties.author, doctor_id, appointment_id);
    let when = (
        version.occurred_at.timestamp_millis(),
        version.created_at.timestamp_millis(),
    );
    serde_json::to_vec(&("content", id, number, record_type, who, when, file_id)).map_err(|_| Broken)
}

fn withdrawal_context(head: &StoredVersion, at: DateTime<Utc>) -> Vec<u8> {
    format!("withdrawal of {} at {}", head.id, at.timestamp_millis()).into_bytes()
}
