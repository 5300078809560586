//! File bytes in GridFS' own layout: `fs.files` and `fs.chunks`. The chunks hold sealed blocks; any GridFS tool can
//! copy them, and only this service can read them.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use mongodb::error::Error;
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};
use mongodb::{Collection, Cursor, Database};
use serde::Deserialize;

use super::records::FileId;
use super::{instant, plain, unique, uuid};
use crate::crypto::blocks;

#[derive(Deserialize)]
struct Chunk {
    n: i64,
    data: Binary,
}

/// The stored blocks of a range, in order, as they come.
pub struct Blocks(Cursor<Chunk>);

impl Blocks {
    /// The place and the sealed bytes of the next block; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<(i64, Vec<u8>)>, Error> {
        Ok(self.0.try_next().await?.map(|chunk| (chunk.n, chunk.data.bytes)))
    }
}

pub(super) async fn prepare(db: &Database) -> Result<(), Error> {
    files(db)
        .create_index(plain(doc! { "filename": 1, "uploadDate": 1 }))
        .await?;
    chunks(db)
        .create_index(unique(doc! { "files_id": 1, "n": 1 }))
        .await
        .map(drop)
}

/// Store one sealed block. Its durability comes with [`finish`]: the journal keeps the order of writes.
pub async fn put_block(db: &Database, file: FileId, index: u32, sealed: Vec<u8>) -> Result<(), Error> {
    let data = Binary {
        subtype: BinarySubtype::Generic,
        bytes: sealed,
    };
    let chunk = doc! { "files_id": uuid(file), "n": number(index), "data": data };
    chunks(db).insert_one(chunk).await.map(drop)
}

/// All blocks are stored: write the file's entry, journalled.
pub async fn finish(db: &Database, file: FileId, stored_length: u64, at: DateTime<Utc>) -> Result<(), Error> {
    let entry = doc! {
        "_id": uuid(file),
        "length": i64::try_from(stored_length).unwrap_or(i64::MAX),
        "chunkSize": i32::try_from(blocks::STORED).unwrap_or(i32::MAX),
        "uploadDate": instant(at),
        // The true name is clinical content and stands, sealed, in the record.
        "filename": file.to_string(),
        "metadata": { "encryption": "AES-256-GCM blocks" },
    };
    files(db).insert_one(entry).await.map(drop)
}

/// The stored blocks of a range, in order.
pub async fn blocks(db: &Database, file: FileId, range: std::ops::Range<u32>) -> Result<Blocks, Error> {
    let wanted =
        doc! { "files_id": uuid(file), "n": { "$gte": number(range.start), "$lt": number(range.end) } };
    db.collection::<Chunk>("fs.chunks")
        .find(wanted)
        .sort(doc! { "n": 1 })
        .projection(doc! { "_id": 0, "n": 1, "data": 1 })
        .batch_size(8)
        .await
        .map(Blocks)
}

/// Remove a file that no record refers to.
pub async fn remove(db: &Database, file: FileId) -> Result<(), Error> {
    files(db).delete_one(doc! { "_id": uuid(file) }).await?;
    chunks(db)
        .delete_many(doc! { "files_id": uuid(file) })
        .await
        .map(drop)
}

fn number(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn files(db: &Database) -> Collection<Document> {
    db.collection("fs.files")
}

fn chunks(db: &Database) -> Collection<Document> {
    let acknowledged = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
    db.collection_with_options(
        "fs.chunks",
        CollectionOptions::builder().write_concern(acknowledged).build(),
    )
}
