//! BSON and nothing else. One document is the transaction: what must hold together stands in one document.

pub mod access_log;
pub mod files;
mod forms;
pub mod grants;
pub mod outbox;
pub mod records;
pub mod running;
pub mod uploads;

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::ids::Id;
use mongodb::bson::{self, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::{ClientOptions, IndexOptions, WriteConcern};
use mongodb::{Client, IndexModel};

pub use mongodb::Database;
pub use mongodb::error::Error;

use secrecy::ExposeSecret;

use crate::config::MongoSettings;

const DUPLICATE_KEY: i32 = 11000;

/// Open the database. The first contact happens later, so that a server that is away delays nothing but
/// readiness.
pub async fn connect(settings: &MongoSettings) -> Result<Database, Error> {
    let mut options = ClientOptions::parse(settings.url.expose_secret()).await?;
    let patience = Duration::from_millis(settings.timeout_ms);
    options.app_name = Some("medical-record-service".to_owned());
    options.connect_timeout = Some(patience);
    options.server_selection_timeout = Some(patience);
    options.max_pool_size = Some(settings.pool_size);
    // An acknowledged record must survive the power cord: journalled, and on most members of a replica set.
    options.write_concern = Some(
        WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true)
            .build(),
    );
    Ok(Client::with_options(options)?.database(&settings.database))
}

/// Make the indexes; harmless when they are there.
pub async fn prepare(db: &Database) -> Result<(), Error> {
    records::prepare(db).await?;
    files::prepare(db).await?;
    grants::prepare(db).await?;
    access_log::prepare(db).await?;
    outbox::prepare(db).await
}

/// Is the server there?
pub async fn ping(db: &Database) -> Result<(), Error> {
    db.run_command(doc! { "ping": 1 }).await.map(drop)
}

/// Another document holds the same value under a unique index.
pub fn is_duplicate(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}

/// The server is away or changing roles: worth trying again soon.
pub fn is_away(error: &Error) -> bool {
    matches!(
        error.kind.as_ref(),
        ErrorKind::ServerSelection { .. }
            | ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. }
    ) || error.contains_label(mongodb::error::RETRYABLE_ERROR)
        || error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR)
}

fn uuid<K>(id: Id<K>) -> bson::Uuid {
    bson::Uuid::from_bytes(id.uuid().into_bytes())
}

fn id<K>(uuid: bson::Uuid) -> Id<K> {
    Id::from(uuid::Uuid::from_bytes(uuid.bytes()))
}

fn instant(at: DateTime<Utc>) -> bson::DateTime {
    bson::DateTime::from_millis(at.timestamp_millis())
}

fn utc(at: bson::DateTime) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(DateTime::UNIX_EPOCH)
}

fn unique(keys: Document) -> IndexModel {
    IndexModel::builder()
        .keys(keys)
        .options(IndexOptions::builder().unique(true).build())
        .build()
}

fn plain(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

/// Unique among the documents that have the field at all.
fn unique_where_present(field: &str) -> IndexModel {
    let options = IndexOptions::builder()
        .unique(true)
        .partial_filter_expression(doc! { field: { "$exists": true } });
    IndexModel::builder()
        .keys(doc! { field: 1 })
        .options(options.build())
        .build()
}

fn sparse(field: &str) -> IndexModel {
    IndexModel::builder()
        .keys(doc! { field: 1 })
        .options(IndexOptions::builder().sparse(true).build())
        .build()
}
