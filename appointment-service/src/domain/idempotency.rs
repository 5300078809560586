//! Keys by which a client repeats a request without repeating its effect.

use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// What a client sent as `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// The text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=255).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }
}

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Two requests with the same fingerprint ask for the same, however their JSON is laid out.
pub fn fingerprint(request: &impl Serialize) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(request).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        assert!("8e03978e-40d5-43e8-bc93-6894a57f9324".parse::<Key>().is_ok());
        assert!("x".repeat(255).parse::<Key>().is_ok());
        for bad in ["", "two words", "tab\t", "é", "nul\0", &"x".repeat(256)] {
            assert_eq!(bad.parse::<Key>(), Err(InvalidKey), "{bad:?}");
        }
    }
}
