//! The `records` collection: one document per record, holding every version of it and its unpublished events.

mod listing;
mod stored;

pub use listing::{Filter, ListKey, list};
pub use stored::{FileId, StoredRecord, StoredRequest, StoredVersion, StoredWithdrawal};

use chrono::{DateTime, Utc};
use common::events::Event;
use common::ids::{RecordId, UserId};
use futures_util::TryStreamExt;
use mongodb::bson::{self, Bson, Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::Deserialize;

use super::{instant, outbox, plain, unique, unique_where_present, uuid};

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
        "_id": uuid(new.version.id),
        "patient_id": uuid(patient),
        "author_id": uuid(author),
        "head": uuid(new.version.id),
        "record_type": new.version.record_type.as_str(),
        "occurred_at": instant(new.version.occurred_at),
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
        "head": uuid(new.version.id),
        "record_type": new.version.record_type.as_str(),
        "occurred_at": instant(new.version.occurred_at),
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
pub async fn refers_to_file(db: &Database, file: FileId) -> Result<bool, Error> {
    Ok(collection(db)
        .find_one(doc! { "versions.file_id": uuid(file) })
        .projection(doc! { "_id": 1 })
        .await?
        .is_some())
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

fn collection(db: &Database) -> Collection<Document> {
    db.collection("records")
}
