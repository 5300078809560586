//! Between the clinical part as doctors write it and as the database keeps it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::ids::RecordId;
use mongodb::bson;
use uuid::Uuid;

use crate::crypto::blocks::BlockCipher;
use crate::crypto::{Broken, DataKey, MasterKeys, WrappedKey, text};
use crate::domain::record::{Content, Withdrawal};
use crate::store::records::{StoredRecord, StoredVersion, StoredWithdrawal};

const CONTENT: &str = "content";
const WITHDRAWAL: &str = "withdrawal";

/// Seals and opens records under their own keys.
#[derive(Clone)]
pub struct Vault(Arc<MasterKeys>);

/// A record version that is being written: its id and the key for everything in it.
pub struct Fresh {
    pub id: RecordId,
    key: DataKey,
    wrapped: WrappedKey,
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

    /// The clinical part of a version.
    pub fn content(&self, version: &StoredVersion) -> Result<Content, Broken> {
        let bytes = text::open_text(&self.key(version)?, version.id(), CONTENT, &version.sealed)?;
        serde_json::from_slice(&bytes).map_err(|_| Broken)
    }

    /// What opens the blocks of a version's file.
    pub fn file(&self, version: &StoredVersion, file: Uuid) -> Result<BlockCipher, Broken> {
        BlockCipher::new(&self.key(version)?, file)
    }

    /// A withdrawal of the version `head`, to be stored.
    pub fn seal_withdrawal(
        &self,
        head: &StoredVersion,
        reason: &str,
        at: DateTime<Utc>,
    ) -> Result<StoredWithdrawal, Broken> {
        let sealed_reason = text::seal_text(&self.key(head)?, head.id(), WITHDRAWAL, reason.as_bytes())?;
        Ok(StoredWithdrawal {
            at: bson::DateTime::from_millis(at.timestamp_millis()),
            sealed_reason,
        })
    }

    /// The withdrawal of a record whose newest version is `head`.
    pub fn withdrawal(
        &self,
        record: &StoredRecord,
        head: &StoredVersion,
    ) -> Result<Option<Withdrawal>, Broken> {
        let Some(stored) = &record.withdrawal else {
            return Ok(None);
        };
        let bytes = text::open_text(&self.key(head)?, head.id(), WITHDRAWAL, &stored.sealed_reason)?;
        let at = DateTime::from_timestamp_millis(stored.at.timestamp_millis()).ok_or(Broken)?;
        Ok(Some(Withdrawal {
            reason: String::from_utf8(bytes).map_err(|_| Broken)?,
            at,
        }))
    }

    fn key(&self, version: &StoredVersion) -> Result<DataKey, Broken> {
        self.0.unwrap(version.id(), &version.key())
    }
}

impl Fresh {
    /// What seals the blocks of this version's file.
    pub fn file(&self, file: Uuid) -> Result<BlockCipher, Broken> {
        BlockCipher::new(&self.key, file)
    }

    /// The clinical part, sealed.
    pub fn seal(&self, content: &Content) -> Result<Vec<u8>, Broken> {
        let bytes = serde_json::to_vec(content).map_err(|_| Broken)?;
        text::seal_text(&self.key, self.id, CONTENT, &bytes)
    }

    /// The key, as it may be stored.
    pub fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }
}
