//! The `uploads` collection: files that no record refers to yet. Whatever is left here by a crash is swept.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::Deserialize;

use super::records::FileId;
use super::{forms, instant, uuid};

/// Bytes are arriving; when no sign of life comes for a while, the file is given up.
const OPEN: &str = "open";
/// A record is about to refer to it: swept only after a long time, and only if none does.
const SEALED: &str = "sealed";
/// Being removed; no record may refer to it any more.
const SWEPT: &str = "swept";

#[derive(Deserialize)]
struct Upload {
    #[serde(rename = "_id", with = "forms::id")]
    id: FileId,
}

/// Note that a file is about to be uploaded, before its first byte is stored.
pub async fn open(db: &Database, file: FileId, now: DateTime<Utc>) -> Result<(), Error> {
    let note = doc! { "_id": uuid(file), "state": OPEN, "alive_at": instant(now) };
    collection(db).insert_one(note).await.map(drop)
}

/// A sign of life.
pub async fn touch(db: &Database, file: FileId, now: DateTime<Utc>) -> Result<(), Error> {
    let change = doc! { "$set": { "alive_at": instant(now) } };
    collection(db)
        .update_one(doc! { "_id": uuid(file), "state": OPEN }, change)
        .await
        .map(drop)
}

/// Claim the file for a record. `false`: it was given up meanwhile, as after a long pause of this process.
pub async fn seal(db: &Database, file: FileId, now: DateTime<Utc>) -> Result<bool, Error> {
    let change = doc! { "$set": { "state": SEALED, "alive_at": instant(now) } };
    let result = collection(db)
        .update_one(doc! { "_id": uuid(file), "state": OPEN }, change)
        .await?;
    Ok(result.matched_count == 1)
}

/// A record refers to the file, or the file is gone.
pub async fn close(db: &Database, file: FileId) -> Result<(), Error> {
    collection(db)
        .delete_one(doc! { "_id": uuid(file) })
        .await
        .map(drop)
}

/// Claim for removal what showed no sign of life since `open_since`, and what was sealed before `sealed_since`.
pub async fn stale(
    db: &Database,
    open_since: DateTime<Utc>,
    sealed_since: DateTime<Utc>,
) -> Result<Vec<FileId>, Error> {
    let silent = doc! { "state": OPEN, "alive_at": { "$lt": instant(open_since) } };
    collection(db)
        .update_many(silent, doc! { "$set": { "state": SWEPT } })
        .await?;
    let left = doc! { "$or": [
        { "state": SWEPT },
        { "state": SEALED, "alive_at": { "$lt": instant(sealed_since) } },
    ] };
    let found: Vec<Upload> = db
        .collection("uploads")
        .find(left)
        .limit(1_000)
        .await?
        .try_collect()
        .await?;
    Ok(found.into_iter().map(|upload| upload.id).collect())
}

fn collection(db: &Database) -> Collection<Document> {
    db.collection("uploads")
}
