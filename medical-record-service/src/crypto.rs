//! Encryption at rest: every record version has a data key of its own, wrapped by the master key that the
//! environment holds. A stolen database is noise; a changed byte is noticed before it is believed.

pub mod blocks;
pub mod keys;
pub mod text;

pub use keys::{DataKey, MasterKeys, WrappedKey};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// What was stored is not what was written, or the key that wrote it is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes do not verify")]
pub struct Broken;

const TAG: usize = 16;
const NONCE: usize = 12;
const KEY: usize = 32;

fn cipher(key: &[u8; KEY]) -> Result<LessSafeKey, Broken> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| Broken)
}

fn seal(key: &LessSafeKey, nonce: [u8; NONCE], context: &[u8], bytes: &mut Vec<u8>) -> Result<(), Broken> {
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), bytes)
        .map_err(|_| Broken)
}

fn open(
    key: &LessSafeKey,
    nonce: [u8; NONCE],
    context: &[u8],
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, Broken> {
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut bytes,
        )
        .map_err(|_| Broken)?
        .len();
    bytes.truncate(length);
    Ok(bytes)
}

fn random<const N: usize>() -> Result<[u8; N], Broken> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Broken)?;
    Ok(bytes)
}
