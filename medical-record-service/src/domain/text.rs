//! Free text: bounded, without control characters, otherwise kept exactly as it was written.

/// Characters in a title at most.
pub const TITLE: usize = 200;
/// Characters in notes at most.
pub const NOTES: usize = 20_000;
/// Characters in a reason at most.
pub const REASON: usize = 1_000;
/// Characters that a reason for breaking the glass has at least.
pub const BREAK_GLASS: usize = 10;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing but blanks.
    #[error("must not be empty")]
    Empty,
    /// Fewer characters than its place demands.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More characters than its place holds.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A NUL, an escape, a direction override and the like.
    #[error("must not contain control characters")]
    Control,
}

/// One line. Blank counts as absent: forms send empty fields.
pub fn title(text: Option<String>) -> Result<Option<String>, BadText> {
    optional(text, TITLE, |_| false)
}

/// Several lines. Blank counts as absent.
pub fn notes(text: Option<String>) -> Result<Option<String>, BadText> {
    optional(text, NOTES, is_layout)
}

/// Why something was amended or withdrawn.
pub fn reason(text: &str) -> Result<String, BadText> {
    required(text, REASON, is_layout)
}

/// Why the glass is broken: one line, long enough to say something.
pub fn break_glass_reason(text: &str) -> Result<String, BadText> {
    let reason = required(text, REASON, |_| false).map_err(|error| match error {
        BadText::Empty => BadText::TooShort(BREAK_GLASS),
        other => other,
    })?;
    if reason.chars().count() < BREAK_GLASS {
        Err(BadText::TooShort(BREAK_GLASS))
    } else {
        Ok(reason)
    }
}

fn optional(text: Option<String>, most: usize, allowed: fn(char) -> bool) -> Result<Option<String>, BadText> {
    match text {
        Some(text) if !text.trim().is_empty() => check(&text, most, allowed).map(|()| Some(text)),
        _ => Ok(None),
    }
}

fn required(text: &str, most: usize, allowed: fn(char) -> bool) -> Result<String, BadText> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadText::Empty);
    }
    check(text, most, allowed).map(|()| text.to_owned())
}

fn check(text: &str, most: usize, allowed: fn(char) -> bool) -> Result<(), BadText> {
    if text.chars().count() > most {
        return Err(BadText::TooLong(most));
    }
    if text.chars().any(|c| is_control(c) && !allowed(c)) {
        return Err(BadText::Control);
    }
    Ok(())
}

/// Line ends and tabs.
fn is_layout(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t')
}

/// Characters that act instead of being read: C0, C1, line separators, and direction controls, which make
/// a text look like another.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_bounded_line() {
        for (text, expected) in [
            ("x".repeat(TITLE + 1), Err(BadText::TooLong(TITLE))),
            ("a\0b".to_owned(), Err(BadText::Control)),
            ("a\nb".to_owned(), Err(BadText::Control)),
            ("a\u{202e}b".to_owned(), Err(BadText::Control)),
            ("a\u{2028}b".to_owned(), Err(BadText::Control)),
            ("  ".to_owned(), Ok(None)),
            ("é".repeat(TITLE), Ok(Some("é".repeat(TITLE)))),
            (
                " {{7*7}} ' OR 1=1 --".to_owned(),
                Ok(Some(" {{7*7}} ' OR 1=1 --".to_owned())),
            ),
        ] {
            assert_eq!(title(Some(text.clone())), expected, "{text:?}");
        }
        assert_eq!(title(None), Ok(None));
    }

    #[test]
    fn notes_keep_their_lines() {
        assert_eq!(notes(Some("a\r\n\tb".into())), Ok(Some("a\r\n\tb".into())));
        assert_eq!(notes(Some("a\u{1b}[31m".into())), Err(BadText::Control));
        assert_eq!(notes(Some("x".repeat(NOTES + 1))), Err(BadText::TooLong(NOTES)));
    }

    #[test]
    fn the_glass_breaks_only_for_a_reason() {
        for bad in ["", "   ", "emergency", "a         ", "nine char"] {
            assert_eq!(
                break_glass_reason(bad),
                Err(BadText::TooShort(BREAK_GLASS)),
                "{bad:?}"
            );
        }
        assert_eq!(break_glass_reason("unconscious\tpatient"), Err(BadText::Control));
        assert_eq!(break_glass_reason(" unconscious "), Ok("unconscious".to_owned()));
    }
}
