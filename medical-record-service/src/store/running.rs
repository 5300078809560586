//! The `running` collection: idempotent requests that have not been answered yet.

use chrono::{DateTime, Utc};
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};

use super::instant;

/// Note that the request `key` runs. `false`: it already does, and began after `stale`.
pub async fn begin(
    db: &Database,
    key: &str,
    now: DateTime<Utc>,
    stale: DateTime<Utc>,
) -> Result<bool, Error> {
    let note = doc! { "_id": key, "since": instant(now) };
    match collection(db).insert_one(note).await {
        Ok(_) => Ok(true),
        Err(error) if super::is_duplicate(&error) => take_over(db, key, now, stale).await,
        Err(error) => Err(error),
    }
}

/// The process that began it died: whoever comes first goes on.
async fn take_over(
    db: &Database,
    key: &str,
    now: DateTime<Utc>,
    stale: DateTime<Utc>,
) -> Result<bool, Error> {
    let abandoned = doc! { "_id": key, "since": { "$lt": instant(stale) } };
    let result = collection(db)
        .update_one(abandoned, doc! { "$set": { "since": instant(now) } })
        .await?;
    Ok(result.matched_count == 1)
}

/// The request has been answered.
pub async fn end(db: &Database, key: &str) -> Result<(), Error> {
    collection(db).delete_one(doc! { "_id": key }).await.map(drop)
}

fn collection(db: &Database) -> Collection<Document> {
    db.collection("running")
}
