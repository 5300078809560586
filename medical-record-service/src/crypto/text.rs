//! Titles, notes, data and file names: sealed as one piece with a random nonce.

use super::{Broken, DataKey, NONCE, open, random, seal};

/// Seal `bytes`. What is sealed in one `context` opens in no other.
pub fn seal_text(key: &DataKey, context: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    let nonce: [u8; NONCE] = random()?;
    let mut sealed = bytes.to_vec();
    seal(&key.cipher(b"text")?, nonce, context, &mut sealed)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Open what [`seal_text`] sealed in the same `context`.
pub fn open_text(key: &DataKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Broken> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
    open(&key.cipher(b"text")?, *nonce, context, sealed.to_vec())
}

#[cfg(test)]
mod tests {
    use common::ids::RecordId;

    use super::*;
    use crate::crypto::MasterKeys;

    #[test]
    fn a_sealed_text_opens_in_its_context_and_under_its_key_only() {
        let keys = MasterKeys::new(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(), &[]).unwrap();
        let (key, _) = keys.generate(RecordId::generate()).unwrap();
        let (other, _) = keys.generate(RecordId::generate()).unwrap();
        let mut sealed = seal_text(&key, b"here", b"penicillin").unwrap();
        assert_eq!(open_text(&key, b"here", &sealed).unwrap(), b"penicillin");
        assert_eq!(open_text(&key, b"there", &sealed), Err(Broken));
        assert_eq!(open_text(&other, b"here", &sealed), Err(Broken));
        sealed[20] ^= 1;
        assert_eq!(open_text(&key, b"here", &sealed), Err(Broken));
        assert_eq!(open_text(&key, b"here", b"short"), Err(Broken));
    }
}
