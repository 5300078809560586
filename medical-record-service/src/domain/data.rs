//! The unstructured part of a record: a JSON object, kept as the text that was sent.
//!
//! It is never turned into BSON, so no key in it can act as an operator, and numbers keep all their digits.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::text::is_control;

/// Bytes of JSON text at most.
pub const SIZE: usize = 64 * 1024;
/// Levels of nesting at most.
pub const DEPTH: usize = 32;

/// A JSON object without repeated keys, within [`SIZE`] and [`DEPTH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonObject(Box<RawValue>);

/// What is wrong with a `data` object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadData {
    /// An array, a string, a number.
    #[error("must be a JSON object")]
    NotAnObject,
    /// More than [`SIZE`].
    #[error("must be at most {SIZE} bytes of JSON")]
    TooLarge,
    /// Not JSON, too deep, a repeated key, a number beyond range.
    #[error("{0}")]
    Malformed(String),
}

impl JsonObject {
    /// Check `text`, which must be JSON.
    pub fn parse(text: &str) -> Result<Self, BadData> {
        serde_json::from_str(text)
            .map_err(|error| BadData::Malformed(format!("is not JSON: {error}")))
            .and_then(Self::check)
    }

    /// Check a value that is already known to be JSON.
    pub fn check(raw: Box<RawValue>) -> Result<Self, BadData> {
        if raw.get().len() > SIZE {
            return Err(BadData::TooLarge);
        }
        if !raw.get().starts_with('{') {
            return Err(BadData::NotAnObject);
        }
        let mut reader = serde_json::Deserializer::from_str(raw.get());
        Level(DEPTH)
            .deserialize(&mut reader)
            .map_err(|error| BadData::Malformed(error.to_string()))?;
        Ok(Self(raw))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

/// Walks a value without keeping it; the number says how many levels may still open.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        self.0
            .checked_sub(1)
            .map(Self)
            .ok_or_else(|| E::custom(format!("must nest at most {DEPTH} levels deep")))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let level = self.deeper()?;
        while items.next_element_seed(level)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let level = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if key.chars().any(is_control) {
                return Err(de::Error::custom("must not have control characters in its keys"));
            }
            members.next_value_seed(level)?;
            if !seen.insert(key) {
                return Err(de::Error::custom("must not repeat a key"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_objects_pass() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        let bottomless = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(SIZE));
        for (bad, why) in [
            ("", "nothing"),
            ("null", "null"),
            ("[]", "array"),
            ("\"a\"", "string"),
            ("{", "cut off"),
            ("{} {}", "two values"),
            ("{\"a\":NaN}", "no number"),
            ("{\"a\":1e999}", "beyond range"),
            ("{\"a\":1,\"a\":2}", "repeated key"),
            (
                "{\"b\":{\"a\":1,\"\\u0061\":2}}",
                "repeated key, spelt differently",
            ),
            ("{\"a\\u0000\":1}", "NUL in a key"),
            (&deep, "too deep"),
            (&bottomless, "far too deep"),
            (&large, "too large"),
        ] {
            assert!(JsonObject::parse(bad).is_err(), "{why}");
        }
    }

    #[test]
    fn operators_and_long_numbers_are_kept_as_text() {
        let text = r#"{"$where":"sleep(5000)","a.b":{"$ne":null},"n":12345678901234567890.123456789012345}"#;
        let data = JsonObject::parse(text).unwrap();
        assert_eq!(data.as_str(), text);
        assert_eq!(serde_json::to_string(&data).unwrap(), text);
    }
}
