//! Secrets inside files: `{cipher}` values.
//!
//! Two formats are read. Spring's symmetric one is AES-256-CBC in hex: nothing in it proves that it was not changed, and
//! its key is stretched with a fixed salt. New secrets are therefore written as `{cipher}{aead:SCOPE}…`: AES-256-GCM,
//! bound to the application whose files may hold it, so that a value copied into another application's file is of no use.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::{iv::FixedLength, pbkdf2};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

/// The mark of an encrypted value.
pub const CIPHER: &str = "{cipher}";
/// The scope whose secrets may stand in every file.
pub const SHARED: &str = "application";

const PLAIN: &str = "{plain}";
const AEAD: &str = "{aead:";
const VERSION: u8 = 1;
const LEGACY_ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(1024).unwrap();

/// The keys that this server holds.
#[derive(Default)]
pub struct Keyring {
    /// The first one encrypts; all of them decrypt.
    keys: Vec<RandomizedNonceKey>,
    legacy: Option<PaddedBlockDecryptingKey>,
}

/// Why a value cannot be encrypted or decrypted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// No key is configured.
    #[error("no key is configured")]
    NoKey,
    /// Another key, another scope, or a changed value.
    #[error("not encrypted with this key for this application")]
    Invalid,
}

impl Keyring {
    /// Keys from the configured secrets, the current one first, and the password of a Spring server.
    pub fn new(secrets: &[&str], legacy: Option<(&str, &[u8])>) -> Result<Self, CipherError> {
        let keys = secrets
            .iter()
            .map(|secret| derive(secret))
            .collect::<Result<_, _>>()?;
        let legacy = legacy
            .map(|(password, salt)| derive_legacy(password, salt))
            .transpose()?;
        Ok(Self { keys, legacy })
    }

    /// Can it encrypt?
    pub fn is_ready(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Is there any key to decrypt with?
    pub fn can_read(&self) -> bool {
        self.is_ready() || self.legacy.is_some()
    }

    /// Encrypt for the files of `scope`. The answer goes behind `{cipher}`.
    pub fn encrypt(&self, scope: &str, text: &str) -> Result<String, CipherError> {
        let key = self.keys.first().ok_or(CipherError::NoKey)?;
        let mut sealed = text.strip_prefix(PLAIN).unwrap_or(text).as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(aad(scope), &mut sealed)
            .map_err(|_| CipherError::Invalid)?;
        let message = [&[VERSION][..], nonce.as_ref(), &sealed].concat();
        Ok(format!(
            "{AEAD}{scope}}}{}",
            BASE64_URL_SAFE_NO_PAD.encode(message)
        ))
    }

    /// Decrypt a value, with or without `{cipher}`, that stands in a file of `owner`. `None`: of no particular one.
    pub fn decrypt(&self, owner: Option<&str>, value: &str) -> Result<String, CipherError> {
        let value = without_key_names(value.trim().trim_start_matches(CIPHER));
        match value.strip_prefix(AEAD).and_then(|rest| rest.split_once('}')) {
            Some((scope, _)) if scope != SHARED && owner.is_some_and(|owner| owner != scope) => {
                Err(CipherError::Invalid)
            }
            Some((scope, sealed)) => self.open(scope, sealed),
            None => self.open_legacy(value),
        }
    }

    fn open(&self, scope: &str, sealed: &str) -> Result<String, CipherError> {
        if self.keys.is_empty() {
            return Err(CipherError::NoKey);
        }
        let message = BASE64_URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| CipherError::Invalid)?;
        let (nonce, sealed) = match message.split_first() {
            Some((&VERSION, rest)) => rest.split_at_checked(NONCE_LEN).ok_or(CipherError::Invalid)?,
            _ => return Err(CipherError::Invalid),
        };
        for key in &self.keys {
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CipherError::Invalid)?;
            let mut buffer = sealed.to_vec();
            if let Ok(text) = key.open_in_place(nonce, aad(scope), &mut buffer) {
                return String::from_utf8(text.to_vec()).map_err(|_| CipherError::Invalid);
            }
        }
        Err(CipherError::Invalid)
    }

    fn open_legacy(&self, value: &str) -> Result<String, CipherError> {
        let key = self.legacy.as_ref().ok_or(if self.keys.is_empty() {
            CipherError::NoKey
        } else {
            CipherError::Invalid
        })?;
        let message = hex::decode(value).map_err(|_| CipherError::Invalid)?;
        let (iv, sealed) = message.split_first_chunk::<16>().ok_or(CipherError::Invalid)?;
        let mut buffer = sealed.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let text = key
            .decrypt(&mut buffer, context)
            .map_err(|_| CipherError::Invalid)?;
        String::from_utf8(text.to_vec()).map_err(|_| CipherError::Invalid)
    }
}

/// Spring lets a value say which of several keys it needs. A symmetric server has one, and ignores that.
fn without_key_names(value: &str) -> &str {
    let named = ["{key:", "{secret:"]
        .iter()
        .find_map(|name| value.strip_prefix(name));
    match named.and_then(|rest| rest.split_once('}')) {
        Some((_, rest)) => without_key_names(rest),
        None => value,
    }
}

/// What the seal vouches for besides the text itself.
fn aad(scope: &str) -> Aad<Vec<u8>> {
    Aad::from([b"config-server\0", scope.as_bytes()].concat())
}

fn derive(secret: &str) -> Result<RandomizedNonceKey, CipherError> {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, b"config-server")
        .extract(secret.as_bytes())
        .expand(&[b"secrets in files, version 1"], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| CipherError::NoKey)?;
    RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| CipherError::NoKey)
}

fn derive_legacy(password: &str, salt: &[u8]) -> Result<PaddedBlockDecryptingKey, CipherError> {
    let mut key = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        LEGACY_ROUNDS,
        salt,
        password.as_bytes(),
        &mut key,
    );
    let key = UnboundCipherKey::new(&AES_256, &key).map_err(|_| CipherError::NoKey)?;
    PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| CipherError::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Spring's command line with the key `foo` and the default salt.
    const SPRING: &str = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda";

    fn keyring() -> Keyring {
        Keyring::new(&["current", "previous"], Some(("foo", &[0xde, 0xad, 0xbe, 0xef]))).unwrap()
    }

    #[test]
    fn springs_values_are_read() {
        assert_eq!(keyring().decrypt(None, SPRING).unwrap(), "mysecret");
        assert_eq!(
            keyring()
                .decrypt(Some("any"), &format!("{CIPHER}{SPRING}"))
                .unwrap(),
            "mysecret"
        );
        for named in ["{key:a}", "{secret:b}", "{key:a}{secret:b}", "{secret:}{key:}"] {
            let value = format!("{CIPHER}{named}{SPRING}");
            assert_eq!(keyring().decrypt(None, &value).unwrap(), "mysecret", "{named}");
        }
        assert_eq!(
            Keyring::new(&["k"], None).unwrap().decrypt(None, SPRING),
            Err(CipherError::Invalid)
        );
        assert_eq!(Keyring::default().decrypt(None, SPRING), Err(CipherError::NoKey));
    }

    #[test]
    fn our_own_values_go_there_and_back_and_never_look_alike() {
        let keys = keyring();
        let sealed = keys.encrypt("svc", "pässword").unwrap();
        assert_ne!(sealed, keys.encrypt("svc", "pässword").unwrap());
        assert_eq!(keys.decrypt(Some("svc"), &sealed).unwrap(), "pässword");
        let literal = keys.encrypt(SHARED, "{plain}{cipher}x").unwrap();
        assert_eq!(keys.decrypt(Some("svc"), &literal).unwrap(), "{cipher}x");
    }

    #[test]
    fn a_value_is_of_no_use_in_another_applications_file() {
        let sealed = keyring().encrypt("svc", "x").unwrap();
        assert_eq!(
            keyring().decrypt(Some("other"), &sealed),
            Err(CipherError::Invalid)
        );
        assert_eq!(
            keyring().decrypt(Some("other"), &sealed.replace("svc", "other")),
            Err(CipherError::Invalid)
        );
        assert_eq!(
            keyring().decrypt(Some("other"), &sealed.replace("svc", SHARED)),
            Err(CipherError::Invalid)
        );
    }

    #[test]
    fn a_changed_value_is_refused_wherever_it_was_changed() {
        let sealed = keyring().encrypt("svc", "x").unwrap();
        let (head, body) = sealed.split_once('}').unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(body).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{head}}}{}", BASE64_URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(
                keyring().decrypt(Some("svc"), &changed),
                Err(CipherError::Invalid),
                "byte {at}"
            );
        }
        for bad in [
            "",
            "zz",
            "ab",
            "{aead:svc}",
            "{aead:svc}AQ",
            "{aead:svc",
            "{key:x}ab",
            "{key:x",
            "{other:x}ab",
            &SPRING[..32],
            &SPRING[..40],
        ] {
            assert!(keyring().decrypt(None, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_previous_key_still_reads() {
        let old = Keyring::new(&["previous"], None)
            .unwrap()
            .encrypt("svc", "x")
            .unwrap();
        assert_eq!(keyring().decrypt(Some("svc"), &old).unwrap(), "x");
        assert_eq!(
            Keyring::new(&["current"], None).unwrap().decrypt(None, &old),
            Err(CipherError::Invalid)
        );
        assert!(!Keyring::default().is_ready());
    }
}
