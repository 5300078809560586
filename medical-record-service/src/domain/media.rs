//! What a file is, told by its bytes: the short list of types that a record may hold.

mod picture;
mod text;

pub use picture::MOST_PIXELS;
pub use text::TextReader;

/// A type of file that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/pdf`
    Pdf,
    /// `image/png`
    Png,
    /// `image/jpeg`
    Jpeg,
    /// `application/dicom`
    Dicom,
    /// `text/plain`, in UTF-8
    Text,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// None of the types on the list, or more than one at once.
    #[error("the content is {0}; a file must be PDF, PNG, JPEG, DICOM or plain text in UTF-8")]
    NotOnTheList(String),
    /// The part's Content-Type says another thing than its bytes.
    #[error("the content is {found}, but it was declared as {declared}")]
    DeclaredOtherwise {
        /// What the bytes are.
        found: &'static str,
        /// What the client said.
        declared: String,
    },
    /// The name's ending says another thing than the bytes.
    #[error("the content is {found}, but the name ends in .{ending}")]
    NamedOtherwise {
        /// What the bytes are.
        found: &'static str,
        /// The ending of the name.
        ending: String,
    },
    /// An image that would fill the memory of whoever opens it.
    #[error("the image has more than {MOST_PIXELS} pixels")]
    TooManyPixels,
}

/// Types that say nothing about the content.
const UNDECLARED: [&str; 3] = [
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-unknown",
];

impl Media {
    const ALL: [Self; 5] = [Self::Pdf, Self::Png, Self::Jpeg, Self::Dicom, Self::Text];

    /// The media type that is stored and sent: ours, never the client's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Dicom => "application/dicom",
            Self::Text => "text/plain",
        }
    }

    /// The usual ending of a name.
    pub fn ending(self) -> &'static str {
        self.endings()[0]
    }

    /// Whether a name of this type may end so.
    pub fn has_ending(self, ending: &str) -> bool {
        self.endings()
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Pdf => &["pdf"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Dicom => &["dcm", "dicom", "dic"],
            Self::Text => &["txt", "text", "log", "csv", "tsv", "md", "hl7", "json"],
        }
    }

    fn declared_as(self, essence: &str) -> bool {
        let aliases: &[&str] = match self {
            Self::Pdf => &["application/x-pdf"],
            Self::Jpeg => &["image/jpg", "image/pjpeg"],
            Self::Dicom => &["application/dicom+octet-stream", "image/dicom", "image/x-dicom"],
            Self::Png | Self::Text => &[],
        };
        essence == self.as_str() || aliases.contains(&essence)
    }

    /// Tell the type from the first bytes (a whole block, or the whole file if it is shorter).
    pub fn of(head: &[u8]) -> Result<Self, Refused> {
        let by_magic = [
            (Self::Pdf, head.starts_with(b"%PDF-")),
            (Self::Png, head.starts_with(b"\x89PNG\r\n\x1a\n")),
            (Self::Jpeg, head.starts_with(b"\xff\xd8\xff")),
            (Self::Dicom, head.get(128..132) == Some(b"DICM")),
        ];
        let mut found = by_magic.into_iter().filter_map(|(media, is)| is.then_some(media));
        match (found.next(), found.next()) {
            (Some(Self::Dicom), None) if !is_quiet_preamble(&head[..128]) => Err(Refused::NotOnTheList(
                "DICOM with another file in its preamble".to_owned(),
            )),
            (Some(media), None) => picture::check_size(media, head).map(|()| media),
            (Some(_), Some(_)) => Err(Refused::NotOnTheList("two types at once".to_owned())),
            (None, _) => text::check(head).map(|()| Self::Text),
        }
    }

    /// Hold the client's word against what the bytes say.
    pub fn agree(self, declared: Option<&str>, ending: Option<&str>) -> Result<(), Refused> {
        let essence = declared
            .map(essence_of)
            .filter(|e| !e.is_empty() && !UNDECLARED.contains(&e.as_str()));
        if let Some(declared) = essence.filter(|essence| !self.declared_as(essence)) {
            return Err(Refused::DeclaredOtherwise {
                found: self.as_str(),
                declared: declared.chars().take(80).collect(),
            });
        }
        let claims = |ending: &&str| {
            Self::ALL
                .iter()
                .any(|other| *other != self && other.has_ending(ending))
        };
        match ending.filter(claims) {
            Some(ending) => Err(Refused::NamedOtherwise {
                found: self.as_str(),
                ending: ending.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn essence_of(declared: &str) -> String {
    declared
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Readers of other formats may start at byte 0 of a DICOM file: only zeros or a TIFF header, which the
/// standard foresees, may stand there.
fn is_quiet_preamble(preamble: &[u8]) -> bool {
    preamble.iter().all(|byte| *byte == 0) || preamble.starts_with(b"II*\0") || preamble.starts_with(b"MM\0*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dicom(preamble: &[u8]) -> Vec<u8> {
        let mut file = preamble.to_vec();
        file.resize(128, 0);
        file.extend(b"DICM\x02\x00\x00\x00UL");
        file
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut file = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08".to_vec();
        file.extend(height.to_be_bytes());
        file.extend(width.to_be_bytes());
        file
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec();
        file.extend(width.to_be_bytes());
        file.extend(height.to_be_bytes());
        file
    }

    #[test]
    fn the_bytes_tell_the_type() {
        let cases: [(&[u8], Media); 12] = [
            (b"%PDF-1.7\n...", Media::Pdf),
            (b"%PDF-", Media::Pdf),
            (&png(640, 480), Media::Png),
            (b"\x89PNG\r\n\x1a\n", Media::Png),
            (&jpeg(640, 480), Media::Jpeg),
            (b"\xff\xd8\xff\xe0", Media::Jpeg),
            (&dicom(b""), Media::Dicom),
            (&dicom(b"II*\0"), Media::Dicom),
            (b"BMI: 23.4", Media::Text),
            (b"MZ is what the patient said", Media::Text),
            ("\u{feff}Größe 1,80 m <ok>\r\n".as_bytes(), Media::Text),
            (b"a", Media::Text),
        ];
        for (bytes, media) in cases {
            assert_eq!(
                Media::of(bytes),
                Ok(media),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let cases: [(&[u8], &str); 17] = [
            (
                br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
                "EICAR",
            ),
            (b"<!DOCTYPE html><script>", "HTML"),
            (b"  <svg xmlns=\"http://www.w3.org/2000/svg\"><script/>", "SVG"),
            (b"<?xml version=\"1.0\"?>", "XML"),
            (b"<?php system($_GET[0]);", "PHP"),
            (b"#!/bin/sh\n", "a script"),
            (b"{\\rtf1", "RTF"),
            (b"%!PS-Adobe", "PostScript"),
            (b"GIF89a/*", "GIF and script"),
            (b"PK\x03\x04\x14\x00", "a zip"),
            (b"MZ\x90\x00\x03\x00", "a program"),
            (b"\x7fELF\x02\x01", "a program"),
            (b"caf\xe9 noir", "Latin-1"),
            (b"a\0b", "NUL"),
            (b"\x1b[31m", "an escape"),
            (&dicom(b"<html><script>"), "DICOM with a page in front"),
            (&dicom(b"MZ"), "DICOM with a program in front"),
        ];
        for (bytes, why) in cases {
            assert!(matches!(Media::of(bytes), Err(Refused::NotOnTheList(_))), "{why}");
        }
        assert!(Media::of(&dicom(b"%PDF-1.4")).is_err(), "two at once");
    }

    #[test]
    fn pictures_that_exhaust_memory_are_refused() {
        assert_eq!(Media::of(&jpeg(64_250, 64_250)), Err(Refused::TooManyPixels));
        assert_eq!(Media::of(&png(u32::MAX, u32::MAX)), Err(Refused::TooManyPixels));
    }

    #[test]
    fn words_that_contradict_the_bytes_are_refused_both_ways() {
        let ok = |media: Media, declared, ending| media.agree(declared, ending).is_ok();
        assert!(ok(Media::Pdf, None, None));
        assert!(ok(Media::Pdf, Some("application/octet-stream"), Some("bin")));
        assert!(ok(Media::Pdf, Some("Application/PDF; x=y"), Some("pdf")));
        assert!(ok(Media::Jpeg, Some("image/jpg"), Some("jpeg")));
        assert!(ok(Media::Text, Some("text/plain; charset=utf-8"), Some("csv")));
        assert!(!ok(Media::Pdf, Some("image/png"), None));
        assert!(!ok(Media::Png, Some("application/pdf"), None));
        assert!(!ok(Media::Text, Some("text/html"), None));
        assert!(!ok(Media::Pdf, Some("nonsense"), None));
        assert!(!ok(Media::Pdf, None, Some("jpg")));
        assert!(!ok(Media::Text, None, Some("dcm")));
    }
}
