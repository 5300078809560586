//! The master keys and the data keys that they wrap.

use std::fmt;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::ids::RecordId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Broken, KEY, NONCE, cipher, open, random, seal};

/// The key that wraps new data keys, and those that wrapped older ones.
pub struct MasterKeys {
    current: MasterKey,
    retired: Vec<MasterKey>,
}

struct MasterKey {
    id: String,
    wrap: LessSafeKey,
    note: LessSafeKey,
    audit: hmac::Key,
}

/// A data key as it may be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Names the master key that wrapped it.
    pub key_id: String,
    /// Nonce, then ciphertext and tag, in base64.
    pub sealed: String,
}

/// The key of one record version.
pub struct DataKey {
    secret: hkdf::Prk,
}

/// `RECORDS_KEY` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a records key must be 32 random bytes in base64 (openssl rand -base64 32)")]
pub struct BadKey;

impl MasterKeys {
    /// Read the keys from the settings: the current one, and retired ones that still open old records.
    pub fn new(current: &SecretString, retired: &[SecretString]) -> Result<Self, BadKey> {
        Ok(Self {
            current: MasterKey::parse(current)?,
            retired: retired.iter().map(MasterKey::parse).collect::<Result<_, _>>()?,
        })
    }

    /// A fresh data key for `record`, and the form in which to store it.
    pub fn generate(&self, record: RecordId) -> Result<(DataKey, WrappedKey), Broken> {
        let secret: [u8; KEY] = random()?;
        let nonce: [u8; NONCE] = random()?;
        let mut wrapped = secret.to_vec();
        seal(&self.current.wrap, nonce, &context(record), &mut wrapped)?;
        let sealed = STANDARD.encode([nonce.as_slice(), &wrapped].concat());
        Ok((
            DataKey::from(&secret),
            WrappedKey {
                key_id: self.current.id.clone(),
                sealed,
            },
        ))
    }

    /// The data key of `record`. One that was moved here from another record does not open.
    pub fn unwrap(&self, record: RecordId, wrapped: &WrappedKey) -> Result<DataKey, Broken> {
        let master = self.named(&wrapped.key_id).ok_or(Broken)?;
        let sealed = STANDARD.decode(&wrapped.sealed).map_err(|_| Broken)?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
        open(&master.wrap, *nonce, &context(record), sealed.to_vec()).map(|secret| DataKey::from(&secret))
    }

    /// Seal a short text that belongs to no record; it names its key and opens only in the same `context`.
    pub fn seal_note(&self, context: &[u8], text: &str) -> Result<String, Broken> {
        let nonce: [u8; NONCE] = random()?;
        let mut sealed = text.as_bytes().to_vec();
        seal(&self.current.note, nonce, context, &mut sealed)?;
        Ok(format!(
            "{}.{}{}",
            self.current.id,
            hex::encode(nonce),
            hex::encode(sealed)
        ))
    }

    /// Open what [`MasterKeys::seal_note`] sealed.
    pub fn open_note(&self, context: &[u8], note: &str) -> Result<String, Broken> {
        let (key_id, sealed) = note.split_once('.').ok_or(Broken)?;
        let key = self.named(key_id).ok_or(Broken)?;
        let sealed = hex::decode(sealed).map_err(|_| Broken)?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
        String::from_utf8(open(&key.note, *nonce, context, sealed.to_vec())?).map_err(|_| Broken)
    }

    /// Authenticates a line of the access log; the tag names the key, so that it verifies after a rotation.
    pub fn sign(&self, line: &[u8]) -> (String, Vec<u8>) {
        (
            self.current.id.clone(),
            hmac::sign(&self.current.audit, line).as_ref().to_vec(),
        )
    }

    /// Whether `tag` was made by [`MasterKeys::sign`] over the same line.
    pub fn verifies(&self, key_id: &str, line: &[u8], tag: &[u8]) -> bool {
        self.named(key_id)
            .is_some_and(|key| hmac::verify(&key.audit, line, tag).is_ok())
    }

    fn named(&self, id: &str) -> Option<&MasterKey> {
        std::iter::once(&self.current)
            .chain(&self.retired)
            .find(|key| key.id == id)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys")
            .field("current", &self.current.id)
            .finish_non_exhaustive()
    }
}

impl MasterKey {
    fn parse(text: &SecretString) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(text.expose_secret().trim()).map_err(|_| BadKey)?;
        let key: [u8; KEY] = bytes.try_into().map_err(|_| BadKey)?;
        // A key of one repeated byte is a placeholder that somebody forgot.
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(BadKey);
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"medical records").extract(&key);
        Ok(Self {
            id: hex::encode(&digest(&SHA256, &[b"key id".as_slice(), &key].concat()).as_ref()[..8]),
            wrap: derive(&root, b"wrap")
                .and_then(|key| cipher(&key))
                .map_err(|_| BadKey)?,
            note: derive(&root, b"note")
                .and_then(|key| cipher(&key))
                .map_err(|_| BadKey)?,
            audit: hmac::Key::new(
                hmac::HMAC_SHA256,
                &derive(&root, b"access log").map_err(|_| BadKey)?,
            ),
        })
    }
}

impl DataKey {
    fn from(secret: &[u8]) -> Self {
        Self {
            secret: hkdf::Salt::new(hkdf::HKDF_SHA256, b"record version").extract(secret),
        }
    }

    /// The key for one use: the same secret never meets two kinds of nonce.
    pub(super) fn cipher(&self, purpose: &[u8]) -> Result<LessSafeKey, Broken> {
        cipher(&derive(&self.secret, purpose)?)
    }
}

fn derive(root: &hkdf::Prk, purpose: &[u8]) -> Result<[u8; KEY], Broken> {
    let mut key = [0; KEY];
    let purpose = [purpose];
    let output = root.expand(&purpose, hkdf::HKDF_SHA256).map_err(|_| Broken)?;
    output.fill(&mut key).map_err(|_| Broken)?;
    Ok(key)
}

fn context(record: RecordId) -> Vec<u8> {
    [b"data key of ".as_slice(), record.uuid().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> SecretString {
        let mut key = [byte; KEY];
        key[0] ^= 1;
        SecretString::from(STANDARD.encode(key))
    }

    #[test]
    fn a_wrapped_key_opens_under_its_record_and_its_master_only() {
        let keys = MasterKeys::new(&secret(1), &[]).unwrap();
        let record = RecordId::generate();
        let (_, wrapped) = keys.generate(record).unwrap();
        assert!(keys.unwrap(record, &wrapped).is_ok());
        assert_eq!(keys.unwrap(RecordId::generate(), &wrapped).err(), Some(Broken));

        let stranger = MasterKeys::new(&secret(2), &[]).unwrap();
        assert_eq!(stranger.unwrap(record, &wrapped).err(), Some(Broken));
        let rotated = MasterKeys::new(&secret(2), &[secret(1)]).unwrap();
        assert!(
            rotated.unwrap(record, &wrapped).is_ok(),
            "a retired key still opens what it wrapped"
        );
    }

    #[test]
    fn a_key_that_is_no_key_is_refused() {
        let zeros = STANDARD.encode([0u8; 32]);
        let short = STANDARD.encode([1u8; 31]);
        for bad in ["", "changeme", zeros.as_str(), short.as_str(), "%%%"] {
            assert_eq!(
                MasterKeys::new(&SecretString::from(bad), &[]).err(),
                Some(BadKey),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_note_opens_in_its_context_only() {
        let keys = MasterKeys::new(&secret(1), &[]).unwrap();
        let note = keys.seal_note(b"here", "unconscious").unwrap();
        assert_eq!(keys.open_note(b"here", &note), Ok("unconscious".to_owned()));
        assert_eq!(keys.open_note(b"there", &note), Err(Broken));
        assert_eq!(keys.open_note(b"here", "nonsense"), Err(Broken));
        let rotated = MasterKeys::new(&secret(2), &[secret(1)]).unwrap();
        assert!(rotated.open_note(b"here", &note).is_ok());
    }

    #[test]
    fn a_tag_verifies_only_over_the_same_line() {
        let keys = MasterKeys::new(&secret(1), &[]).unwrap();
        let (id, tag) = keys.sign(b"line");
        assert!(keys.verifies(&id, b"line", &tag));
        assert!(!keys.verifies(&id, b"lime", &tag));
        assert!(!keys.verifies("another", b"line", &tag));
    }
}
