//! Events that stand in the document whose change they tell of, until the broker has confirmed them.

use chrono::{DateTime, TimeDelta, Utc};
use common::events::Event;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};
use serde::Deserialize;

use super::{instant, sparse};

/// The collections whose documents carry events.
pub const CARRIERS: [&str; 2] = ["records", "access_log"];

/// How long a relay may take before another may take over.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// A document with events to publish.
pub struct Pending {
    carrier: &'static str,
    document: mongodb::bson::Bson,
    /// What to publish, oldest first.
    pub events: Vec<Event>,
}

#[derive(Deserialize)]
struct Carrier {
    #[serde(rename = "_id")]
    id: mongodb::bson::Bson,
    #[serde(default)]
    outbox: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    event: String,
}

/// An event as its document carries it.
pub fn entry(event: &Event) -> Document {
    doc! { "id": event.id.to_string(), "event": serde_json::to_string(event).unwrap_or_default() }
}

pub(super) async fn prepare(db: &Database) -> Result<(), Error> {
    for carrier in CARRIERS {
        collection(db, carrier).create_index(sparse("outbox_due")).await?;
    }
    Ok(())
}

/// Claim the document that has waited longest. While it is claimed no other relay sees it.
pub async fn claim(
    db: &Database,
    carrier: &'static str,
    now: DateTime<Utc>,
) -> Result<Option<Pending>, Error> {
    let found = db
        .collection::<Carrier>(carrier)
        .find_one_and_update(
            doc! { "outbox_due": { "$lte": instant(now) } },
            doc! { "$set": { "outbox_due": instant(now + LEASE) } },
        )
        .sort(doc! { "outbox_due": 1 })
        .projection(doc! { "outbox": 1 })
        .return_document(ReturnDocument::After)
        .await?;
    Ok(found.map(|found| Pending {
        carrier,
        document: found.id,
        events: found.outbox.iter().filter_map(read).collect(),
    }))
}

fn read(entry: &Entry) -> Option<Event> {
    serde_json::from_str(&entry.event)
        .inspect_err(|error| tracing::error!(%error, "an event in the outbox cannot be read"))
        .ok()
}

/// Take out what was published. Events that were added meanwhile stay and stay due.
pub async fn published(db: &Database, pending: &Pending, events: &[Event]) -> Result<(), Error> {
    let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
    let keep =
        doc! { "$filter": { "input": "$outbox", "cond": { "$not": [{ "$in": ["$$this.id", ids] }] } } };
    let due = doc! { "$cond": [{ "$eq": ["$outbox", []] }, "$$REMOVE", "$outbox_due"] };
    let steps = vec![
        doc! { "$set": { "outbox": keep } },
        doc! { "$set": { "outbox_due": due } },
    ];
    collection(db, pending.carrier)
        .update_one(doc! { "_id": &pending.document }, steps)
        .await
        .map(drop)
}

/// The broker did not take it: give the claim back, to be due at `at`.
pub async fn release(db: &Database, pending: &Pending, at: DateTime<Utc>) -> Result<(), Error> {
    let change = doc! { "$set": { "outbox_due": instant(at) } };
    collection(db, pending.carrier)
        .update_one(doc! { "_id": &pending.document }, change)
        .await
        .map(drop)
}

/// How many documents carry events that wait, and when the oldest of these was made.
pub async fn backlog(db: &Database) -> Result<(u64, Option<DateTime<Utc>>), Error> {
    let (mut waiting, mut oldest) = (0, None);
    for carrier in CARRIERS {
        let carrier = db.collection::<Carrier>(carrier);
        let due = doc! { "outbox_due": { "$exists": true } };
        waiting += carrier.count_documents(due.clone()).await?;
        let first = carrier
            .find_one(due)
            .sort(doc! { "outbox_due": 1 })
            .projection(doc! { "outbox": 1 })
            .await?;
        let event = first.and_then(|found| found.outbox.first().and_then(read));
        oldest = oldest.into_iter().chain(event.map(|event| event.time)).min();
    }
    Ok((waiting, oldest))
}

fn collection(db: &Database, carrier: &str) -> Collection<Document> {
    db.collection(carrier)
}
