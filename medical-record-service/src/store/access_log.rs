//! The `access_log` collection: who did or tried what with whose records. Rows are added and never changed; each
//! carries a tag over itself and the tag of the row before, so that a changed or missing row shows.

use chrono::{DateTime, Utc};
use common::events::Event;
use common::ids::UserId;
use futures_util::TryStreamExt;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{forms, instant, outbox, unique, uuid};

/// A row without its place in the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub patient_id: Uuid,
    pub user_id: Uuid,
    pub role: String,
    pub action: String,
    pub record_id: Option<Uuid>,
    pub outcome: String,
    pub rule: String,
    pub request_id: String,
    pub at: DateTime<Utc>,
    /// The doctor's words on breaking the glass, sealed; in hexadecimal.
    pub reason: Option<String>,
}

/// A row in its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Counts the patient's rows from 1.
    pub seq: i64,
    pub row: Row,
    /// The line that the tag stands for, without the tag before.
    pub line: String,
    pub key_id: String,
    pub tag: Vec<u8>,
}

/// The last row of a patient's chain.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    pub seq: i64,
    pub tag: Vec<u8>,
}

/// A new last row.
pub struct NewRow {
    pub patient: UserId,
    pub seq: i64,
    pub line: String,
    pub key_id: String,
    pub tag: Vec<u8>,
    pub at: DateTime<Utc>,
    /// Published because of this row.
    pub event: Option<Event>,
}

#[derive(Deserialize)]
struct StoredRow {
    seq: i64,
    line: String,
    key_id: String,
    #[serde(with = "forms::bytes")]
    tag: Vec<u8>,
}

#[derive(Deserialize)]
struct StoredTail {
    seq: i64,
    #[serde(with = "forms::bytes")]
    tag: Vec<u8>,
}

pub(super) async fn prepare(db: &Database) -> Result<(), Error> {
    collection(db)
        .create_index(unique(doc! { "patient_id": 1, "seq": 1 }))
        .await
        .map(drop)
}

/// The last row of a patient.
pub async fn tail(db: &Database, patient: UserId) -> Result<Tail, Error> {
    let found = db
        .collection::<StoredTail>("access_log")
        .find_one(doc! { "patient_id": uuid(patient) })
        .sort(doc! { "seq": -1 })
        .projection(doc! { "_id": 0, "seq": 1, "tag": 1 })
        .await?;
    Ok(found
        .map(|row| Tail {
            seq: row.seq,
            tag: row.tag,
        })
        .unwrap_or_default())
}

/// Add a row. `false`: another was first at this place.
pub async fn append(db: &Database, new: &NewRow) -> Result<bool, Error> {
    let mut document = doc! {
        "patient_id": uuid(new.patient),
        "seq": new.seq,
        "line": &new.line,
        "key_id": &new.key_id,
        "tag": Binary { subtype: BinarySubtype::Generic, bytes: new.tag.clone() },
        "at": instant(new.at),
    };
    if let Some(event) = &new.event {
        document.insert("outbox", [outbox::entry(event)]);
        document.insert("outbox_due", instant(new.at));
    }
    match collection(db).insert_one(document).await {
        Ok(_) => Ok(true),
        Err(error) if super::is_duplicate(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A patient's rows before `before`, newest first.
pub async fn list(
    db: &Database,
    patient: UserId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Placed>, Error> {
    let mut wanted = doc! { "patient_id": uuid(patient) };
    if let Some(before) = before {
        wanted.insert("seq", doc! { "$lt": before });
    }
    let rows = db.collection::<StoredRow>("access_log");
    let found = rows
        .find(wanted)
        .sort(doc! { "seq": -1 })
        .limit(i64::from(limit))
        .await?;
    found
        .and_then(|row| std::future::ready(place(row)))
        .try_collect()
        .await
}

fn place(stored: StoredRow) -> Result<Placed, Error> {
    let row = serde_json::from_str(&stored.line).map_err(|error| Error::custom(error.to_string()))?;
    Ok(Placed {
        seq: stored.seq,
        row,
        line: stored.line,
        key_id: stored.key_id,
        tag: stored.tag,
    })
}

fn collection(db: &Database) -> Collection<Document> {
    db.collection("access_log")
}
