//! Everything that is derived from the one master key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// The master key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("must be 32 random bytes in base64, such as `openssl rand -base64 32` prints")]
pub struct InvalidMasterKey;

/// Something sealed cannot be opened: another master key, or altered.
#[derive(Debug, thiserror::Error)]
#[error("cannot be opened with this MASTER_KEY")]
pub struct Unsealable;

/// One key per purpose, so that nothing made for one can pass for another.
pub struct Secrets {
    sealing: RandomizedNonceKey,
    /// Signs refresh tokens.
    pub refresh: hmac::Key,
    /// Signs password reset tokens.
    pub reset: hmac::Key,
    /// Hashes recovery codes.
    pub recovery: hmac::Key,
    /// Chains audit entries.
    pub audit: hmac::Key,
}

impl Secrets {
    /// Derive all keys from `master`.
    pub fn new(master: &SecretString) -> Result<Self, InvalidMasterKey> {
        let bytes = STANDARD
            .decode(master.expose_secret().trim())
            .map_err(|_| InvalidMasterKey)?;
        if bytes.len() != KEY_LENGTH || bytes.iter().all(|b| *b == bytes[0]) {
            return Err(InvalidMasterKey);
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"healthcare user-service").extract(&bytes);
        let mac = |purpose: &str| Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(&root, purpose)?));
        Ok(Self {
            sealing: RandomizedNonceKey::new(&AES_256_GCM, &derive(&root, "sealing")?)
                .map_err(|_| InvalidMasterKey)?,
            refresh: mac("refresh tokens")?,
            reset: mac("password resets")?,
            recovery: mac("recovery codes")?,
            audit: mac("audit chain")?,
        })
    }

    /// Encrypt `plain` for storage. `context` says what it is and must be given again to open it.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut body = plain.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| Unsealable)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Decrypt what [`Secrets::seal`] made in the same `context`.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LENGTH).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut body = body.to_vec();
        let plain = self
            .sealing
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| Unsealable)?;
        Ok(plain.to_vec())
    }
}

fn derive(root: &hkdf::Prk, purpose: &str) -> Result<[u8; KEY_LENGTH], InvalidMasterKey> {
    let mut key = [0; KEY_LENGTH];
    root.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| InvalidMasterKey)?;
    Ok(key)
}

/// MAC of `parts`, each with its length, so that no two lists of parts run together.
pub fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_array(context.sign().as_ref())
}

/// SHA-256 of `parts`, each with its length.
pub fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// Whether two secrets are equal, in time that tells nothing.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Random bytes of the operating system's generator.
///
/// # Panics
/// When the generator fails: nothing here may go on without randomness.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "no fallback is safe")]
    rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

fn to_array(bytes: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(fill: u8) -> Secrets {
        let key: Vec<u8> = (0..32).map(|i| i ^ fill).collect();
        Secrets::new(&STANDARD.encode(key).into()).unwrap()
    }

    #[test]
    fn a_weak_or_cut_master_key_is_refused() {
        for bad in [
            "",
            "changeme",
            "AAAA",
            &STANDARD.encode([0; 32]),
            &STANDARD.encode([7; 31]),
            &"a".repeat(64),
        ] {
            assert!(Secrets::new(&(*bad).into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_sealed_opens_only_unaltered_in_its_context_and_with_its_key() {
        let sealed = secrets(1).seal("key a", b"private").unwrap();
        assert_eq!(secrets(1).open("key a", &sealed).unwrap(), b"private");
        assert!(!sealed.windows(7).any(|w| w == b"private"));
        assert!(secrets(1).open("key b", &sealed).is_err(), "another context");
        assert!(secrets(2).open("key a", &sealed).is_err(), "another master key");
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(secrets(1).open("key a", &altered).is_err(), "byte {i} altered");
        }
        assert!(secrets(1).open("key a", b"short").is_err());
    }

    #[test]
    fn parts_do_not_run_together() {
        let key = &secrets(1).refresh;
        assert_ne!(mac(key, &[b"ab", b"c"]), mac(key, &[b"a", b"bc"]));
        assert_ne!(
            mac(key, &[b"a"]),
            mac(&secrets(1).reset, &[b"a"]),
            "one key per purpose"
        );
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
