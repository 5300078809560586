//! The `records` collection: one document per record, holding every version of it and its unpublished events.

use chrono::{DateTime, Utc};
use common::events::Event;
use common::ids::{RecordId, UserId};
use futures_util::TryStreamExt;
use mongodb::bson::{self, Bson, Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

use super::{id, instant, outbox, plain, unique, unique_where_present, utc, uuid};
use crate::crypto::WrappedKey;
use crate::domain::record::{Outline, RecordType};

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
    #[serde(with = "serde_bytes_binary")]
    pub wrapped_key: Vec<u8>,
    #[serde(with = "serde_bytes_binary")]
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
    #[serde(with = "serde_bytes_binary")]
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

/// Which records of a patient to list.
#[derive(Debug, Clone)]
pub struct Filter {
    pub patient: UserId,
    /// Only those that this doctor wrote.
    pub author: Option<UserId>,
    /// Also those entered in error.
    pub with_withdrawn: bool,
    pub record_type: Option<RecordType>,
    pub from: Option<DateTime<Utc>>,
    /// Up to, but not including.
    pub until: Option<DateTime<Utc>>,
    /// The key of the last record seen.
    pub after: Option<ListKey>,
}

/// Where a record stands in a list: newest first by what happened, then by id.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ListKey {
    pub occurred_at: DateTime<Utc>,
    pub id: RecordId,
}

/// What became of a write that may meet another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Done,
    /// The record is no longer as it was when the decision was made.
    Overtaken,
    /// A request with the same idempotency key was first.
    Repeated,
}

/// A new record or version, with what belongs to the same transaction.
pub struct NewVersion {
    pub version: StoredVersion,
    pub event: Event,
    pub at: DateTime<Utc>,
}

pub(super) async fn prepare(db: &Database) -> Result<(), Error> {
    let indexes = [
        plain(doc! { "patient_id": 1, "occurred_at": -1, "head": -1 }),
        plain(doc! { "author_id": 1, "patient_id": 1 }),
        unique(doc! { "versions.id": 1 }),
        plain(doc! { "versions.file_id": 1 }),
        unique_where_present("idempotency_keys"),
    ];
    collection(db).create_indexes(indexes).await.map(drop)
}

/// Store the first version of a record.
pub async fn insert(
    db: &Database,
    patient: UserId,
    author: UserId,
    new: NewVersion,
) -> Result<Written, Error> {
    let mut document = doc! {
        "_id": new.version.id,
        "patient_id": uuid(patient),
        "author_id": uuid(author),
        "head": new.version.id,
        "record_type": &new.version.record_type,
        "occurred_at": new.version.occurred_at,
        "withdrawal": Bson::Null,
        "versions": [bson::serialize_to_bson(&new.version)?],
        "outbox": [outbox::entry(&new.event)],
        "outbox_due": instant(new.at),
    };
    if let Some(request) = &new.version.request {
        document.insert("idempotency_keys", [&request.key]);
    }
    match collection(db).insert_one(document).await {
        Ok(_) => Ok(Written::Done),
        Err(error) if super::is_duplicate(&error) => Ok(Written::Repeated),
        Err(error) => Err(error),
    }
}

/// Put a new version on top of `head`, if `head` still is the head. The condition and the change are one
/// step of the server, so of two amendments at once exactly one is stored.
pub async fn amend(db: &Database, head: RecordId, new: NewVersion) -> Result<Written, Error> {
    let mut push =
        doc! { "versions": bson::serialize_to_bson(&new.version)?, "outbox": outbox::entry(&new.event) };
    if let Some(request) = &new.version.request {
        push.insert("idempotency_keys", &request.key);
    }
    let set = doc! {
        "head": new.version.id,
        "record_type": &new.version.record_type,
        "occurred_at": new.version.occurred_at,
        "outbox_due": instant(new.at),
    };
    let unchanged = doc! { "head": uuid(head), "withdrawal": Bson::Null };
    match collection(db)
        .update_one(unchanged, doc! { "$push": push, "$set": set })
        .await
    {
        Ok(result) if result.matched_count == 1 => Ok(Written::Done),
        Ok(_) => Ok(Written::Overtaken),
        Err(error) if super::is_duplicate(&error) => Ok(Written::Repeated),
        Err(error) => Err(error),
    }
}

/// Mark the record as entered in error, if `head` still is its head and nobody did so before.
pub async fn withdraw(
    db: &Database,
    head: RecordId,
    withdrawal: &StoredWithdrawal,
) -> Result<Written, Error> {
    let unchanged = doc! { "head": uuid(head), "withdrawal": Bson::Null };
    let change = doc! { "$set": { "withdrawal": bson::serialize_to_bson(withdrawal)? } };
    let result = collection(db).update_one(unchanged, change).await?;
    Ok(if result.matched_count == 1 {
        Written::Done
    } else {
        Written::Overtaken
    })
}

/// The record that holds the version `version`, if it is this patient's.
pub async fn find(db: &Database, patient: UserId, version: RecordId) -> Result<Option<StoredRecord>, Error> {
    first(
        db,
        doc! { "patient_id": uuid(patient), "versions.id": uuid(version) },
    )
    .await
}

/// The record that an idempotent request wrote to.
pub async fn find_by_request(db: &Database, key: &str) -> Result<Option<StoredRecord>, Error> {
    first(db, doc! { "idempotency_keys": key }).await
}

/// Bytes of all files that this author uploaded.
pub async fn bytes_by(db: &Database, author: UserId) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Sum {
        bytes: i64,
    }
    let pipeline = [
        doc! { "$match": { "author_id": uuid(author) } },
        doc! { "$group": { "_id": Bson::Null, "bytes": { "$sum": { "$sum": "$versions.file_bytes" } } } },
    ];
    let sum = collection(db)
        .aggregate(pipeline)
        .with_type::<Sum>()
        .await?
        .try_next()
        .await?;
    Ok(sum.map_or(0, |sum| u64::try_from(sum.bytes).unwrap_or_default()))
}

/// Whether this author wrote any record of this patient that was not withdrawn.
pub async fn any_by(db: &Database, patient: UserId, author: UserId) -> Result<bool, Error> {
    let wanted = doc! { "patient_id": uuid(patient), "author_id": uuid(author), "withdrawal": Bson::Null };
    Ok(collection(db)
        .find_one(wanted)
        .projection(doc! { "_id": 1 })
        .await?
        .is_some())
}

/// Whether a record refers to this file.
pub async fn refers_to_file(db: &Database, file: uuid::Uuid) -> Result<bool, Error> {
    let file = bson::Uuid::from_bytes(file.into_bytes());
    Ok(collection(db)
        .find_one(doc! { "versions.file_id": file })
        .projection(doc! { "_id": 1 })
        .await?
        .is_some())
}

/// The newest versions that `filter` lets through, at most `limit`.
pub async fn list(db: &Database, filter: &Filter, limit: u32) -> Result<Vec<StoredRecord>, Error> {
    let pipeline = [
        doc! { "$match": matching(filter) },
        doc! { "$sort": { "occurred_at": -1, "head": -1 } },
        doc! { "$limit": i64::from(limit) },
        doc! { "$project": shape(doc! { "$slice": ["$versions", -1] }.into()) },
    ];
    collection(db)
        .aggregate(pipeline)
        .with_type::<StoredRecord>()
        .await?
        .try_collect()
        .await
}

async fn first(db: &Database, filter: Document) -> Result<Option<StoredRecord>, Error> {
    let pipeline = [
        doc! { "$match": filter },
        doc! { "$limit": 1 },
        doc! { "$project": shape(1.into()) },
    ];
    collection(db)
        .aggregate(pipeline)
        .with_type::<StoredRecord>()
        .await?
        .try_next()
        .await
}

fn shape(versions: Bson) -> Document {
    doc! { "patient_id": 1, "author_id": 1, "withdrawal": 1, "version_ids": "$versions.id", "versions": versions }
}

fn matching(filter: &Filter) -> Document {
    let mut found = doc! { "patient_id": uuid(filter.patient) };
    if let Some(author) = filter.author {
        found.insert("author_id", uuid(author));
    }
    if !filter.with_withdrawn {
        found.insert("withdrawal", Bson::Null);
    }
    if let Some(kind) = filter.record_type {
        found.insert("record_type", kind.as_str());
    }
    let mut period = Document::new();
    if let Some(from) = filter.from {
        period.insert("$gte", instant(from));
    }
    if let Some(until) = filter.until {
        period.insert("$lt", instant(until));
    }
    if !period.is_empty() {
        found.insert("occurred_at", period);
    }
    if let Some(after) = &filter.after {
        let at = instant(after.occurred_at);
        let older = doc! { "occurred_at": { "$lt": at } };
        found.insert(
            "$or",
            [
                older,
                doc! { "occurred_at": at, "head": { "$lt": uuid(after.id) } },
            ],
        );
    }
    found
}

fn collection(db: &Database) -> Collection<Document> {
    db.collection("records")
}

/// Bytes as BSON binary; `Vec<u8>` alone would become an array of numbers.
mod serde_bytes_binary {
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
