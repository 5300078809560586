//! Free text that other people and other programs will be shown.

use unicode_normalization::UnicodeNormalization;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than allowed.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// Something that is not shown as it is stored.
    #[error("must not contain control, formatting or line-breaking characters")]
    Hidden,
}

/// A line of visible text: trimmed, composed (NFC), 1 to `max` characters.
///
/// Control characters can break mail headers and log lines; bidirectional and invisible ones can make
/// one name look like another.
pub fn line(raw: &str, max: usize) -> Result<String, InvalidText> {
    let text: String = raw.trim_matches(' ').nfc().collect();
    if text.chars().any(is_hidden) {
        return Err(InvalidText::Hidden);
    }
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().count() > max {
        return Err(InvalidText::TooLong(max));
    }
    Ok(text)
}

/// What remains of text that a program sent, such as `User-Agent`: never refused, only made harmless.
pub fn harmless(raw: &str, max: usize) -> String {
    raw.chars().filter(|c| !is_hidden(*c)).take(max).collect()
}

/// The zero-width joiners (U+200C, U+200D) are not among these: Persian and Indic names are spelled with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FFF9}'..='\u{FFFF}'
            | '\u{E000}'..='\u{F8FF}'
            | '\u{E0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_world_pass() {
        for name in [
            "Ann",
            "Zoë O’Neil-Łuć",
            "李小龍",
            "علی‌رضا",
            "Ngũgĩ wa Thiong'o",
            "<b>Bob</b>",
            "'; DROP TABLE users; --",
        ] {
            assert!(line(name, 100).is_ok(), "{name:?} is a name");
        }
        assert_eq!(line("  Jose\u{301} ", 100).unwrap(), "José");
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for (name, why) in [
            ("Bob\r\nBcc: x", "line break"),
            ("a\u{0}b", "NUL"),
            ("a\tb", "tab"),
            ("a\u{7f}b", "DEL"),
            ("a\u{85}b", "next line"),
            ("a\u{202e}b", "right-to-left override"),
            ("a\u{2066}b", "isolate"),
            ("a\u{200f}b", "right-to-left mark"),
            ("a\u{200b}b", "zero-width space"),
            ("a\u{2028}b", "line separator"),
            ("a\u{feff}b", "byte order mark"),
            ("a\u{e0041}b", "tag"),
            ("a\u{a0}b", "space that looks like one but is not"),
            ("a\u{1b}[31m", "escape"),
        ] {
            assert_eq!(line(name, 100), Err(InvalidText::Hidden), "{why}");
        }
    }

    #[test]
    fn length_counts_characters() {
        assert_eq!(line("   ", 100), Err(InvalidText::Empty));
        assert!(line(&"é".repeat(100), 100).is_ok());
        assert_eq!(line(&"é".repeat(101), 100), Err(InvalidText::TooLong(100)));
    }

    #[test]
    fn a_program_s_text_is_made_harmless() {
        assert_eq!(harmless("curl/8\r\n\u{202e}x", 255), "curl/8x");
        assert_eq!(harmless(&"a".repeat(1000), 255).len(), 255);
    }
}
