//! File names: what the client called its file, made safe to show and to save.
//!
//! A name is never a path or a key here; it is only given back with the download.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::media::Media;
use super::text::is_control;

const LONGEST: usize = 150;

/// What RFC 8187 leaves bare in `filename*`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// A name to keep for a file of this media type: no folders, no control characters, no leading dot or
/// dash, no reserved device name, and an ending that says what the file is.
pub fn clean(sent: &str, media: Media) -> String {
    let base = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let readable: String = base
        .chars()
        .filter(|c| !is_control(*c) && !is_invisible(*c))
        .map(harmless)
        .collect();
    let name = readable
        .trim_matches(|c: char| c.is_whitespace() || c == '.')
        .trim_start_matches('-');
    let (stem, ending) = split(name);
    let suffix = match ending {
        Some(ending) if media.has_ending(ending) => ending.to_owned(),
        _ => media.ending().to_owned(),
    };
    let stem = if suffix == ending.unwrap_or_default() {
        stem
    } else {
        name
    };
    let mut stem: String = stem.chars().take(LONGEST).collect();
    if stem.is_empty() {
        "file".clone_into(&mut stem);
    }
    if is_device(&stem) {
        stem.insert(0, '_');
    }
    format!("{stem}.{suffix}")
}

/// The ending of a name, lower-cased.
pub fn ending(sent: &str) -> Option<String> {
    let base = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    split(base.trim()).1.map(str::to_ascii_lowercase)
}

/// `Content-Disposition` for a download: a plain-ASCII name for old clients, the true one beside it.
pub fn attachment(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, ENCODED)
    )
}

fn split(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !ending.is_empty() => (stem, Some(ending)),
        _ => (name, None),
    }
}

fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%' | '*')
}

/// Zero-width characters and marks that only change how a name looks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{ad}')
}

/// Characters that file systems or shells take for something else.
fn harmless(c: char) -> char {
    if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') {
        '_'
    } else {
        c
    }
}

/// Names that Windows reserves for devices, with or without an ending.
fn is_device(stem: &str) -> bool {
    let first = stem
        .split('.')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_uppercase();
    let numbered = |name: &str| {
        first
            .strip_prefix(name)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(first.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("Befund Müller.PDF", "Befund Müller.PDF"),
            ("../../etc/passwd", "passwd.pdf"),
            ("..\\..\\x", "x.pdf"),
            ("/abs", "abs.pdf"),
            ("C:\\x", "x.pdf"),
            ("C:x", "C_x.pdf"),
            ("x\0.pdf", "x.pdf"),
            ("x.pdf%00.html", "x.pdf%00.html.pdf"),
            (".htaccess", "htaccess.pdf"),
            ("CON", "_CON.pdf"),
            ("nul.pdf", "_nul.pdf"),
            ("com1.tar.pdf", "_com1.tar.pdf"),
            ("cod\u{202e}fdp.exe", "codfdp.exe.pdf"),
            ("\"; filename=\"x", "_; filename=_x.pdf"),
            ("a\r\nX: y", "aX_ y.pdf"),
            ("", "file.pdf"),
            (".", "file.pdf"),
            ("...", "file.pdf"),
            (".pdf", "pdf.pdf"),
            ("-rf", "rf.pdf"),
            ("😀.pdf", "😀.pdf"),
            ("x\u{200b}y.pdf", "xy.pdf"),
        ];
        for (sent, kept) in cases {
            assert_eq!(clean(sent, Media::Pdf), kept, "{sent:?}");
        }
        let long = clean(&"é".repeat(4_096), Media::Pdf);
        assert_eq!(long.chars().count(), LONGEST + 4);
    }

    #[test]
    fn the_header_cannot_be_broken_out_of() {
        for name in ["a\"b.pdf", "a\\b.pdf", "a\r\nX: y.pdf", "é😀.pdf", "a%22;b*.pdf"] {
            let header = attachment(name);
            assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b)), "{header}");
            assert_eq!(header.matches('"').count(), 2, "{header}");
            assert!(!header.contains('\\'), "{header}");
        }
        assert_eq!(
            attachment("é.pdf"),
            "attachment; filename=\"_.pdf\"; filename*=UTF-8''%C3%A9.pdf"
        );
    }
}
