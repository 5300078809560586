//! Free text that people type.

use std::str::FromStr;

/// Characters in a reason at most.
pub const MAX_REASON: usize = 1000;

/// Why somebody comes, or why they do not: stored exactly as typed, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// The text cannot be a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    #[error("must be at most {MAX_REASON} characters")]
    TooLong,
    #[error("must not hold control characters other than line breaks and tabs")]
    ControlCharacter,
}

impl Reason {
    /// A form that was left empty sends `""` or blanks: that is no reason.
    pub fn parse_optional(text: Option<&str>) -> Result<Option<Self>, InvalidReason> {
        text.filter(|text| !text.trim().is_empty())
            .map(str::parse)
            .transpose()
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        if text.chars().count() > MAX_REASON {
            return Err(InvalidReason::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            return Err(InvalidReason::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!("é".repeat(MAX_REASON).parse::<Reason>().is_ok());
        assert_eq!(
            "é".repeat(MAX_REASON + 1).parse::<Reason>(),
            Err(InvalidReason::TooLong)
        );
    }

    #[test]
    fn control_characters_are_refused_and_line_breaks_kept() {
        for bad in ["a\0b", "\u{1b}[31m", "x\u{7f}", "\u{85}"] {
            assert_eq!(
                bad.parse::<Reason>(),
                Err(InvalidReason::ControlCharacter),
                "{bad:?}"
            );
        }
        assert_eq!(
            "two\r\nlines\t.".parse::<Reason>().unwrap().into_string(),
            "two\r\nlines\t."
        );
    }

    #[test]
    fn blank_is_no_reason() {
        for blank in [None, Some(""), Some(" \n")] {
            assert_eq!(Reason::parse_optional(blank), Ok(None));
        }
    }
}
