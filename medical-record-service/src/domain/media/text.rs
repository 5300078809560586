//! Plain text in UTF-8.

use super::Refused;

/// How texts begin that programs act upon: scripts, RTF, PostScript, web archives, GIFs without binary bytes, and
/// programs made of printable characters, of which the scanners' test file is one.
const ACTIVE: [&str; 7] = [
    "#!",
    "{\\rtf",
    "%!",
    "MIME-Version:",
    "GIF87a",
    "GIF89a",
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}",
];

/// Text that no program acts upon.
pub(super) fn check(head: &[u8]) -> Result<(), Refused> {
    let mut reader = TextReader::default();
    if reader.feed(head).is_err() {
        let guess = infer::get(head).map_or("of an unknown type", |kind| kind.mime_type());
        return Err(Refused::NotOnTheList(guess.to_owned()));
    }
    let visible = std::str::from_utf8(&head[..head.len().min(512)])
        .unwrap_or_else(|cut| std::str::from_utf8(&head[..cut.valid_up_to()]).unwrap_or_default())
        .trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let markup = |rest: &str| rest.starts_with(|c: char| c.is_alphabetic() || "!?/".contains(c));
    let active = ACTIVE.iter().any(|start| visible.starts_with(start))
        || visible.strip_prefix('<').is_some_and(markup);
    if active {
        Err(Refused::NotOnTheList("markup, a script or a program".to_owned()))
    } else {
        Ok(())
    }
}

/// Reads text piece by piece: UTF-8 that may break between two pieces, and no control characters.
#[derive(Debug, Default)]
pub struct TextReader {
    rest: Vec<u8>,
}

impl TextReader {
    /// Take the next piece.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(piece);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                self.rest = bytes[error.valid_up_to()..].to_vec();
                std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Err(Refused::NotOnTheList("no UTF-8 text".to_owned())),
        };
        let allowed = |c: char| matches!(c, '\n' | '\r' | '\t' | '\u{c}') || !c.is_control();
        if valid.chars().all(allowed) {
            Ok(())
        } else {
            Err(Refused::NotOnTheList("binary".to_owned()))
        }
    }

    /// The text is over: it must not end in the middle of a character.
    pub fn finish(&self) -> Result<(), Refused> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Refused::NotOnTheList("no UTF-8 text".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_break_between_pieces_but_not_at_the_end() {
        let mut reader = TextReader::default();
        for byte in "naïve 😀".as_bytes() {
            reader.feed(&[*byte]).unwrap();
        }
        assert_eq!(reader.finish(), Ok(()));
        reader.feed(&[0xf0, 0x9f]).unwrap();
        assert!(reader.finish().is_err());
        assert!(TextReader::default().feed(b"\xff").is_err());
    }
}
