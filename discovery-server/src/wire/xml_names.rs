//! Free text as the name of an XML element, the way that existing readers undo.

use std::fmt::Write;

/// `_` becomes `__`, `$` becomes `_-`, and whatever a name may not hold becomes `_.` and its UTF-16 units.
pub(super) fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, c) in text.chars().enumerate() {
        match c {
            '_' => name.push_str("__"),
            '$' => name.push_str("_-"),
            c if c.is_ascii_alphabetic() => name.push(c),
            c if index > 0 && (c.is_ascii_digit() || matches!(c, '-' | '.')) => name.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing into a string does not fail.
                    let _ = write!(name, "_.{unit:04x}");
                }
            }
        }
    }
    name
}

/// The text behind an element's name. A broken escape stands for itself.
pub(super) fn unescape(name: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if let Some((unit, used)) = escaped(rest) {
            units.push(unit);
            rest = &rest[used..];
        } else {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            rest = &rest[c.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

fn escaped(text: &str) -> Option<(u16, usize)> {
    let after = text.strip_prefix('_')?;
    match after.as_bytes().first()? {
        b'_' => Some((u16::from(b'_'), 2)),
        b'-' => Some((u16::from(b'$'), 2)),
        b'.' => Some((u16::from_str_radix(after.get(1..5)?, 16).ok()?, 6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_being_a_name() {
        for text in [
            "zone",
            "management.port",
            "a_b",
            "a$b",
            "1st",
            "-x",
            "a b",
            "k8s/ä",
            "😀",
            "@class",
            "__",
            "_.",
        ] {
            let name = escape(text);
            assert_eq!(unescape(&name), text, "{name}");
            let mut bytes = name.bytes();
            assert!(
                bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_'),
                "{name}"
            );
            assert!(
                bytes.all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)),
                "{name}"
            );
        }
    }

    #[test]
    fn the_usual_names_look_as_others_write_them() {
        assert_eq!(escape("a_b$c"), "a__b_-c");
        assert_eq!(unescape("_.002"), "_.002", "too short to be an escape");
    }
}
