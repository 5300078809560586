//! Titles, notes, data and file names: sealed as one piece with a random nonce.

use common::ids::RecordId;

use super::{Broken, DataKey, NONCE, open, random, seal};

/// Seal `bytes`, which are the `part` of `record`: what is sealed for one place opens in no other.
pub fn seal_text(key: &DataKey, record: RecordId, part: &str, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    let nonce: [u8; NONCE] = random()?;
    let mut sealed = bytes.to_vec();
    seal(&key.cipher(b"text")?, nonce, &context(record, part), &mut sealed)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Open what [`seal_text`] sealed for the same place.
pub fn open_text(key: &DataKey, record: RecordId, part: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
    open(
        &key.cipher(b"text")?,
        *nonce,
        &context(record, part),
        sealed.to_vec(),
    )
}

fn context(record: RecordId, part: &str) -> Vec<u8> {
    [record.uuid().as_bytes().as_slice(), part.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::MasterKeys;

    #[test]
    fn a_sealed_text_opens_in_its_place_only() {
        let keys = MasterKeys::new(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(), &[]).unwrap();
        let record = RecordId::generate();
        let (key, _) = keys.generate(record).unwrap();
        let mut sealed = seal_text(&key, record, "content", b"penicillin").unwrap();
        assert_eq!(
            open_text(&key, record, "content", &sealed).unwrap(),
            b"penicillin"
        );
        assert_eq!(open_text(&key, record, "withdrawal", &sealed), Err(Broken));
        assert_eq!(
            open_text(&key, RecordId::generate(), "content", &sealed),
            Err(Broken)
        );
        sealed[20] ^= 1;
        assert_eq!(open_text(&key, record, "content", &sealed), Err(Broken));
        assert_eq!(open_text(&key, record, "content", b"short"), Err(Broken));
    }
}
