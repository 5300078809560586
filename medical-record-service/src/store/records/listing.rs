//! Lists of one patient's records.

use chrono::{DateTime, Utc};
use common::ids::{RecordId, UserId};
use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{StoredRecord, collection, shape};
use crate::domain::record::RecordType;
use crate::store::{instant, uuid};

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
