//! File bytes on their way out: read, opened and verified block by block, so that memory stays small and no wrong
//! byte is ever sent.

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::bounded::Patience;
use crate::crypto::Broken;
use crate::crypto::blocks::{self, BlockCipher};
use crate::error::Error;
use crate::store::Database;
use crate::store::files::{self, Blocks};
use crate::store::records::FileId;

/// Blocks that are verified before the answer begins: what breaks in them is still a proper error.
const AHEAD: usize = 4;

/// A stored file.
pub struct Stored {
    pub file: FileId,
    pub cipher: BlockCipher,
    pub size: u64,
    pub sha256: String,
    /// For each block.
    pub patience: Patience,
}

struct Reader {
    stored: Stored,
    blocks: Blocks,
    index: u32,
    first: u64,
    last: u64,
    /// Of the whole file, when the whole is read.
    hash: Option<Context>,
}

/// The bytes `first..=last` as a body. Fails before a byte is sent if the beginning does not verify; if a later
/// block does not, the body ends with an error, which cuts the connection.
pub async fn open(db: &Database, stored: Stored, first: u64, last: u64) -> Result<Body, Error> {
    let range = blocks::covering(first, last);
    let whole = first == 0 && last + 1 == stored.size;
    let blocks = files::blocks(db, stored.file, range.clone()).await?;
    let hash = whole.then(|| Context::new(&SHA256));
    let mut reader = Reader {
        stored,
        blocks,
        index: range.start,
        first,
        last,
        hash,
    };
    let mut ahead = Vec::new();
    while ahead.len() < AHEAD {
        match reader.next().await? {
            Some(bytes) => ahead.push(Ok(bytes)),
            None => return Ok(Body::from_stream(stream::iter(ahead))),
        }
    }
    let rest = stream::try_unfold(reader, |mut reader| async move {
        let patience = reader.stored.patience;
        match patience.with(reader.next()).await {
            Ok(next) => Ok(next.map(|bytes| (bytes, reader))),
            Err(error) => Err(reader.alert(&error)),
        }
    });
    Ok(Body::from_stream(stream::iter(ahead).chain(rest)))
}

impl Reader {
    /// The next verified piece; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if blocks::start_of(self.index) > self.last {
            return Ok(None);
        }
        let (place, sealed) = self.blocks.next().await?.ok_or(Broken)?;
        if place != i64::from(self.index) {
            return Err(Broken.into());
        }
        let is_last = self.index + 1 == blocks::count(self.stored.size);
        let plain = self.stored.cipher.open(self.index, is_last, sealed)?;
        let start = blocks::start_of(self.index);
        let end = start + plain.len() as u64;
        if end != self.expected_end() {
            return Err(Broken.into());
        }
        self.check_whole(&plain, is_last)?;
        self.index += 1;
        let from = usize::try_from(self.first.saturating_sub(start)).unwrap_or(usize::MAX);
        let to = usize::try_from(end.min(self.last + 1) - start).unwrap_or(usize::MAX);
        Ok(Some(Bytes::from(plain).slice(from..to)))
    }

    fn expected_end(&self) -> u64 {
        blocks::start_of(self.index + 1).min(self.stored.size)
    }

    /// The last block of a whole file goes out only if the file is the one that was acknowledged.
    fn check_whole(&mut self, plain: &[u8], is_last: bool) -> Result<(), Broken> {
        let Some(mut hash) = self.hash.take() else {
            return Ok(());
        };
        hash.update(plain);
        if !is_last {
            self.hash = Some(hash);
            return Ok(());
        }
        if hex::encode(hash.finish()) == self.stored.sha256 {
            Ok(())
        } else {
            Err(Broken)
        }
    }

    /// The answer has begun, so the error has no status any more: cut the connection and tell the operators.
    fn alert(&self, error: &Error) -> std::io::Error {
        if matches!(error, Error::Broken(_)) {
            metrics::counter!("records_integrity_failures_total").increment(1);
        }
        tracing::error!(alert = true, %error, file = %self.stored.file, block = self.index, "download cut");
        std::io::Error::other("download cut")
    }
}
