//! Text from people on its way into headers and messages.

/// Longest name that is put into a greeting or a header.
const MAX_NAME: usize = 80;

/// A name that is safe in a header and a greeting: one line, no control or direction characters, none of
/// the separators that providers refuse, of bounded length.
pub fn clean_name(name: &str) -> String {
    let spaced: String = name
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| {
            if is_control(c) || ";,<>\"\\".contains(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME).collect()
}

/// C0, C1 and the line and paragraph separators.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that turn or hide text: direction marks, zero widths, the byte-order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}')
}

/// A subject given by a person.
///
/// # Errors
/// What is wrong with it, to be shown to whoever wrote it.
pub fn check_subject(subject: &str, max: usize) -> Result<String, String> {
    let subject = subject.trim_matches(' ');
    if subject.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if subject.chars().any(|c| is_control(c) || is_invisible(c)) {
        return Err("must be one line without control characters".to_owned());
    }
    bounded(subject, max)
}

/// A message given by a person: line breaks are welcome, other control characters are not.
///
/// # Errors
/// What is wrong with it, to be shown to whoever wrote it.
pub fn check_message(message: &str, max: usize) -> Result<String, String> {
    let message = message.replace("\r\n", "\n");
    let message = message.trim();
    if message.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if message
        .chars()
        .any(|c| is_control(c) && !matches!(c, '\n' | '\t'))
    {
        return Err("must not hold control characters".to_owned());
    }
    bounded(message, max)
}

fn bounded(text: &str, max: usize) -> Result<String, String> {
    if text.chars().count() > max {
        return Err(format!("must be at most {max} characters long"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_safe_for_headers() {
        let cases = [
            ("Bob\r\nBcc: all@example.org", "Bob Bcc: all@example.org"),
            ("Ada\0Lovelace", "Ada Lovelace"),
            ("\u{202e}evil\u{2066}", "evil"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("Dr. \"Who\" <x@y>; Smith, J.", "Dr. Who x@y Smith J."),
            ("  Zoë   Ångström ", "Zoë Ångström"),
            ("", ""),
            ("\r\n", ""),
        ];
        for (name, clean) in cases {
            assert_eq!(clean_name(name), clean);
        }
        assert_eq!(clean_name(&"x".repeat(500)).len(), MAX_NAME);
    }

    #[test]
    fn a_subject_is_one_line() {
        for bad in [
            "",
            "   ",
            "a\nb",
            "a\r\nBcc: x",
            "a\0",
            "a\u{2028}b",
            "a\u{202e}b",
            "\n",
        ] {
            assert!(check_subject(bad, 10).is_err(), "{bad:?}");
        }
        assert!(check_subject(&"é".repeat(11), 10).is_err());
        assert_eq!(check_subject(&"é".repeat(10), 10).unwrap(), "é".repeat(10));
    }

    #[test]
    fn a_message_may_have_lines_but_not_be_empty() {
        assert_eq!(check_message(" a\r\nb\n", 10).unwrap(), "a\nb");
        for bad in ["", " \n\t", "a\u{1b}[31m", "a\0", "a\rb", "12345678901"] {
            assert!(check_message(bad, 10).is_err(), "{bad:?}");
        }
    }
}
