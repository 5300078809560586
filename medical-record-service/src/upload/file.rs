//! A file on its way in: told by its first block, hashed, sealed block by block and stored as it arrives.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, TimeDelta, Utc};

use super::scanner::Scan;
use super::sweeper::Sweeper;
use crate::AppState;
use crate::bounded::Patience;
use crate::crypto::blocks::{self, BlockCipher};
use crate::domain::file_name;
use crate::domain::media::{Media, Refused, TextReader};
use crate::domain::record::FileFacts;
use crate::error::Error;
use crate::store::records::FileId;
use crate::store::{self, Database};
use crate::vault::Fresh;

/// How often an upload shows that it lives.
const HEARTBEAT: TimeDelta = TimeDelta::seconds(10);

/// What the client said about its file.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    pub name: String,
    pub content_type: Option<String>,
}

/// A file that arrived whole.
pub struct Received {
    pub facts: FileFacts,
    /// Where its bytes are; `None` if they were only hashed, for a repeated request.
    pub stored: Option<Pending>,
}

/// A stored file that no record refers to yet. Dropped, it is removed.
pub struct Pending {
    file: FileId,
    sweeper: Sweeper,
    claimed: bool,
}

/// A stored file that a record may refer to from now on. Dropped, it stays: when a write was cut off nobody
/// knows whether it took place, and the sweeper looks much later.
pub struct Claimed {
    file: FileId,
    sweeper: Sweeper,
}

/// Takes a file piece by piece.
pub struct Intake {
    declared: Declared,
    limit: u64,
    size: u64,
    hash: Context,
    media: Option<Media>,
    text: TextReader,
    block: Vec<u8>,
    writer: Option<Writer>,
}

/// Stores sealed blocks.
pub struct Writer {
    db: Database,
    patience: Patience,
    cipher: BlockCipher,
    pending: Pending,
    scan: Option<Scan>,
    index: u32,
    touched: DateTime<Utc>,
}

impl Pending {
    /// Its id in GridFS.
    pub fn id(&self) -> FileId {
        self.file
    }

    /// Claim it for a record that is about to be written; 503 if it was given up meanwhile.
    pub async fn claim(mut self, app: &AppState) -> Result<Claimed, Error> {
        if !store::uploads::seal(app.db().await?, self.file, app.clock.now()).await? {
            return Err(Error::Busy);
        }
        self.claimed = true;
        Ok(Claimed {
            file: self.file,
            sweeper: self.sweeper.clone(),
        })
    }
}

impl Claimed {
    /// A record refers to it now.
    pub async fn keep(self, db: &Database) {
        if let Err(error) = store::uploads::close(db, self.file).await {
            // The sweeper finds the record and closes it.
            tracing::warn!(%error, "an upload stays noted");
        }
    }

    /// No record will refer to it.
    pub fn discard(self) {
        self.sweeper.remove(self.file);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.claimed {
            self.sweeper.remove(self.file);
        }
    }
}

impl Writer {
    /// Note the upload, then take its blocks: scanned, sealed under the key of `fresh`, stored.
    pub async fn open(app: &AppState, fresh: &Fresh) -> Result<Self, Error> {
        let (db, file, now) = (app.db().await?.clone(), FileId::generate(), app.clock.now());
        let cipher = fresh.file(file)?;
        let settings = app.settings.current();
        let scan = match &settings.records.scanner {
            Some(address) => Some(Scan::begin(address, settings.records.scanner_patience()).await?),
            None => None,
        };
        app.patience().with(store::uploads::open(&db, file, now)).await?;
        let pending = Pending {
            file,
            sweeper: app.sweeper.clone(),
            claimed: false,
        };
        Ok(Self {
            db,
            patience: app.patience(),
            cipher,
            pending,
            scan,
            index: 0,
            touched: now,
        })
    }

    async fn put(&mut self, plain: Vec<u8>, last: bool) -> Result<(), Error> {
        if let Some(scan) = &mut self.scan {
            scan.feed(&plain).await?;
        }
        let sealed = self.cipher.seal(self.index, last, plain)?;
        let stored = store::files::put_block(&self.db, self.pending.file, self.index, sealed);
        self.patience.with(stored).await?;
        self.index += 1;
        Ok(())
    }

    async fn finish(self, size: u64, now: DateTime<Utc>) -> Result<Pending, Error> {
        if let Some(scan) = self.scan {
            scan.verdict().await?;
        }
        let finished = store::files::finish(&self.db, self.pending.file, blocks::stored_size(size), now);
        self.patience.with(finished).await?;
        Ok(self.pending)
    }

    async fn show_life(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        if now - self.touched >= HEARTBEAT {
            self.touched = now;
            let touched = store::uploads::touch(&self.db, self.pending.file, now);
            self.patience.with(touched).await?;
        }
        Ok(())
    }
}

impl Intake {
    /// A file of at most `limit` bytes; without a `writer` it is only hashed.
    pub fn new(declared: Declared, limit: u64, writer: Option<Writer>) -> Self {
        Self {
            declared,
            limit,
            size: 0,
            hash: Context::new(&SHA256),
            media: None,
            text: TextReader::default(),
            block: Vec::with_capacity(blocks::PLAIN),
            writer,
        }
    }

    /// Take the next piece.
    pub async fn take(&mut self, mut piece: &[u8], now: DateTime<Utc>) -> Result<(), Error> {
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(Error::FileTooLarge(self.limit));
        }
        self.hash.update(piece);
        while !piece.is_empty() {
            // A full block waits until more comes: only then is it known not to be the last.
            if self.block.len() == blocks::PLAIN {
                self.flush(false).await?;
            }
            let (now_in, later) = piece.split_at(piece.len().min(blocks::PLAIN - self.block.len()));
            self.block.extend_from_slice(now_in);
            piece = later;
        }
        match &mut self.writer {
            Some(writer) => writer.show_life(now).await,
            None => Ok(()),
        }
    }

    /// The file is over.
    pub async fn finish(mut self, now: DateTime<Utc>) -> Result<Received, Error> {
        if self.size == 0 {
            return Err(Error::invalid("/file", "is empty"));
        }
        self.flush(true).await?;
        let media = self
            .media
            .ok_or_else(|| Refused::NotOnTheList("of an unknown type".to_owned()))?;
        if media == Media::Text {
            self.text.finish()?;
        }
        let facts = FileFacts {
            name: file_name::clean(&self.declared.name, media),
            content_type: media.as_str().to_owned(),
            size: self.size,
            sha256: hex::encode(self.hash.finish()),
        };
        let stored = match self.writer {
            Some(writer) => Some(writer.finish(facts.size, now).await?),
            None => None,
        };
        Ok(Received { facts, stored })
    }

    async fn flush(&mut self, last: bool) -> Result<(), Error> {
        if self.media.is_none() {
            let media = Media::of(&self.block)?;
            let ending = file_name::ending(&self.declared.name);
            media.agree(self.declared.content_type.as_deref(), ending.as_deref())?;
            self.media = Some(media);
        }
        if self.media == Some(Media::Text) {
            self.text.feed(&self.block)?;
        }
        let block = std::mem::replace(
            &mut self.block,
            Vec::with_capacity(if last { 0 } else { blocks::PLAIN }),
        );
        match &mut self.writer {
            Some(writer) => writer.put(block, last).await,
            None => Ok(()),
        }
    }
}
