//! File bytes: sealed block by block, so that a range can be read without the rest and no block can be
//! changed, moved, repeated or cut off unnoticed.

use std::ops::Range;

use aws_lc_rs::aead::LessSafeKey;
use uuid::Uuid;

use super::{Broken, DataKey, NONCE, TAG, open, seal};

/// Bytes of one stored block: the usual chunk of GridFS.
pub const STORED: usize = 255 * 1024;
/// Bytes of the file in one block.
pub const PLAIN: usize = STORED - TAG;

/// Seals and opens the blocks of one file.
pub struct BlockCipher {
    key: LessSafeKey,
    file: Uuid,
}

impl BlockCipher {
    /// The cipher of `file` under its record version's key. A version may see more than one file before it is
    /// written (a refused form with two, say), so each file has a key of its own.
    pub fn new(key: &DataKey, file: Uuid) -> Result<Self, Broken> {
        Ok(Self {
            key: key.cipher(&[b"file ".as_slice(), file.as_bytes()].concat())?,
            file,
        })
    }

    /// Seal block `index`. `last` says that the file ends with it.
    pub fn seal(&self, index: u32, last: bool, mut plain: Vec<u8>) -> Result<Vec<u8>, Broken> {
        seal(&self.key, nonce(index), &self.context(index, last), &mut plain)?;
        Ok(plain)
    }

    /// Open block `index`; fails unless it is that block of that file.
    pub fn open(&self, index: u32, last: bool, stored: Vec<u8>) -> Result<Vec<u8>, Broken> {
        open(&self.key, nonce(index), &self.context(index, last), stored)
    }

    fn context(&self, index: u32, last: bool) -> Vec<u8> {
        [
            self.file.as_bytes().as_slice(),
            &index.to_be_bytes(),
            &[u8::from(last)],
        ]
        .concat()
    }
}

/// The key serves one file only, so a counter never repeats under it.
fn nonce(index: u32) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[NONCE - 4..].copy_from_slice(&index.to_be_bytes());
    nonce
}

/// How many blocks a file of `size` bytes has.
pub fn count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(PLAIN as u64).max(1)).unwrap_or(u32::MAX)
}

/// Bytes that the file takes when stored.
pub fn stored_size(size: u64) -> u64 {
    size + u64::from(count(size)) * TAG as u64
}

/// The blocks that hold the bytes `first..=last`.
pub fn covering(first: u64, last: u64) -> Range<u32> {
    let index = |byte: u64| u32::try_from(byte / PLAIN as u64).unwrap_or(u32::MAX);
    index(first)..index(last).saturating_add(1)
}

/// Where block `index` begins in the file.
pub fn start_of(index: u32) -> u64 {
    u64::from(index) * PLAIN as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::MasterKeys;
    use common::ids::RecordId;

    fn cipher(file: Uuid) -> BlockCipher {
        let keys = MasterKeys::new(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(), &[]).unwrap();
        let (key, _) = keys.generate(RecordId::generate()).unwrap();
        BlockCipher::new(&key, file).unwrap()
    }

    #[test]
    fn a_block_cannot_be_changed_moved_or_cut_off() {
        let cipher = cipher(Uuid::now_v7());
        let stored = cipher.seal(3, false, b"bytes".to_vec()).unwrap();
        assert_eq!(cipher.open(3, false, stored.clone()).unwrap(), b"bytes");
        assert_eq!(cipher.open(2, false, stored.clone()), Err(Broken), "moved");
        assert_eq!(cipher.open(3, true, stored.clone()), Err(Broken), "made the last");
        let mut flipped = stored.clone();
        flipped[0] ^= 1;
        assert_eq!(cipher.open(3, false, flipped), Err(Broken), "changed");
        assert_eq!(
            cipher.open(3, false, stored[..stored.len() - 1].to_vec()),
            Err(Broken),
            "cut"
        );
        assert_eq!(cipher.open(3, false, Vec::new()), Err(Broken), "emptied");
    }

    #[test]
    fn a_full_block_is_stored_as_a_full_chunk() {
        let stored = cipher(Uuid::now_v7()).seal(0, true, vec![7; PLAIN]).unwrap();
        assert_eq!(stored.len(), STORED);
        assert_eq!(stored_size(PLAIN as u64), STORED as u64);
    }

    #[test]
    fn ranges_map_to_blocks() {
        let block = PLAIN as u64;
        assert_eq!(count(0), 1);
        assert_eq!(count(block), 1);
        assert_eq!(count(block + 1), 2);
        assert_eq!(covering(0, 0), 0..1);
        assert_eq!(covering(block - 1, block), 0..2);
        assert_eq!(covering(block, block), 1..2);
        assert_eq!(start_of(2), 2 * block);
    }
}
