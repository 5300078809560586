//! The `grants` collection: which doctors a patient lets in, and until when.

use chrono::{DateTime, Utc};
use common::ids::UserId;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::Deserialize;

use super::{forms, instant, unique, uuid};

/// A grant of one patient to one doctor.
#[derive(Debug, Clone, Deserialize)]
pub struct Grant {
    #[serde(with = "forms::id")]
    pub doctor_id: UserId,
    #[serde(with = "forms::instant")]
    pub created_at: DateTime<Utc>,
    /// Never, if absent.
    #[serde(with = "forms::maybe_instant")]
    pub expires_at: Option<DateTime<Utc>>,
}

pub(super) async fn prepare(db: &Database) -> Result<(), Error> {
    collection(db)
        .create_index(unique(doc! { "patient_id": 1, "doctor_id": 1 }))
        .await
        .map(drop)
}

/// Give or renew; `true` if there was none before.
pub async fn put(db: &Database, patient: UserId, grant: &Grant) -> Result<bool, Error> {
    let pair = doc! { "patient_id": uuid(patient), "doctor_id": uuid(grant.doctor_id) };
    let change = doc! { "$set": {
        "created_at": instant(grant.created_at),
        "expires_at": grant.expires_at.map(instant),
    } };
    let result = collection(db).update_one(pair, change).upsert(true).await?;
    Ok(result.upserted_id.is_some())
}

/// Take back; `false` if there was none.
pub async fn remove(db: &Database, patient: UserId, doctor: UserId) -> Result<bool, Error> {
    let pair = doc! { "patient_id": uuid(patient), "doctor_id": uuid(doctor) };
    Ok(collection(db).delete_one(pair).await?.deleted_count == 1)
}

/// Does the patient let this doctor in now?
pub async fn holds(
    db: &Database,
    patient: UserId,
    doctor: UserId,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut wanted = valid(patient, now);
    wanted.insert("doctor_id", uuid(doctor));
    Ok(collection(db)
        .find_one(wanted)
        .projection(doc! { "_id": 1 })
        .await?
        .is_some())
}

/// The grants that hold now, by doctor, from the one after `after`.
pub async fn list(
    db: &Database,
    patient: UserId,
    now: DateTime<Utc>,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Grant>, Error> {
    let mut wanted = valid(patient, now);
    if let Some(after) = after {
        wanted.insert("doctor_id", doc! { "$gt": uuid(after) });
    }
    let grants = db.collection::<Grant>("grants");
    let found = grants
        .find(wanted)
        .sort(doc! { "doctor_id": 1 })
        .limit(i64::from(limit))
        .await?;
    found.try_collect().await
}

fn valid(patient: UserId, now: DateTime<Utc>) -> Document {
    let open_ended = doc! { "expires_at": Bson::Null };
    doc! { "patient_id": uuid(patient), "$or": [open_ended, { "expires_at": { "$gt": instant(now) } }] }
}

fn collection(db: &Database) -> Collection<Document> {
    db.collection("grants")
}
