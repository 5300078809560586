//! Names that stand in paths, in XML, in HTML and in the logs of every reader.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

const LONGEST_APP: usize = 64;
const LONGEST_ID: usize = 200;

/// An application's name: upper-case ASCII, so that no two spellings of it are two applications.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppName(Arc<str>);

/// An instance's id, unique within its application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(Arc<str>);

/// The name is empty, too long, or holds something else than the permitted characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(&'static str);

impl AppName {
    /// Letters, digits, `.`, `_` and `-`; upper-cased.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if text.is_empty() || text.len() > LONGEST_APP || !text.bytes().all(permitted) {
            return Err(BadName(
                "appName must be 1 to 64 letters, digits, dots, dashes or underscores",
            ));
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `service` is this application's name in any case.
    pub fn is_named(&self, service: &str) -> bool {
        self.0.eq_ignore_ascii_case(service)
    }
}

impl InstanceId {
    /// Printable ASCII without blanks, quotes, slashes or anything that has a meaning in URLs, HTML or XML.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b"._:-@[]~+=,".contains(&b);
        if text.is_empty() || text.len() > LONGEST_ID || !text.bytes().all(permitted) {
            return Err(BadName(
                "instanceId must be 1 to 200 letters, digits or any of . _ : - @ [ ] ~ + = ,",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_pass_for_others_or_break_a_reader_are_refused() {
        let long = "a".repeat(LONGEST_APP + 1);
        let bad = [
            "",
            " ",
            "A B",
            "user\u{2011}service",
            "ᴜser-service",
            "uſer-service",
            "<script>",
            "a/b",
            "a\0",
            &long,
        ];
        for bad in bad {
            assert!(AppName::parse(bad).is_err(), "{bad:?}");
        }
        let long = "a".repeat(LONGEST_ID + 1);
        for bad in [
            "", "a b", "a/b", "a\"b", "a'b", "a<b", "a&b", "a%b", "ä", "a\nb", "a?b", "a#b", &long,
        ] {
            assert!(InstanceId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_makes_no_second_application() {
        assert_eq!(
            AppName::parse("User-Service").unwrap(),
            AppName::parse("USER-SERVICE").unwrap()
        );
        assert!(AppName::parse("USER-SERVICE").unwrap().is_named("user-service"));
        for id in ["host:user-service:8081", "[::1]:app:1", "i-0123"] {
            assert_eq!(InstanceId::parse(id).unwrap().as_str(), id);
        }
    }
}
