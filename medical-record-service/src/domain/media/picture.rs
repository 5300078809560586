//! How large a picture is, by its header.

use super::{Media, Refused};

/// Pixels in an image at most: far beyond any camera or scanner, far below a picture made to exhaust memory.
pub const MOST_PIXELS: u64 = 250_000_000;

/// Refuse pictures that would fill the memory of whoever opens them.
pub(super) fn check_size(media: Media, head: &[u8]) -> Result<(), Refused> {
    let size = match media {
        Media::Png => png_size(head),
        Media::Jpeg => jpeg_size(head),
        _ => None,
    };
    match size {
        Some((width, height)) if width * height > MOST_PIXELS => Err(Refused::TooManyPixels),
        _ => Ok(()),
    }
}

fn png_size(head: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| {
        head.get(at..at + 4)?
            .try_into()
            .ok()
            .map(|b| u64::from(u32::from_be_bytes(b)))
    };
    (head.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// The size stands in the first start-of-frame segment; the segments before it are skipped by their length.
fn jpeg_size(head: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| {
        head.get(at..at + 2)?
            .try_into()
            .ok()
            .map(|b| u64::from(u16::from_be_bytes(b)))
    };
    let mut at = 2;
    loop {
        while *head.get(at)? != 0xff {
            at += 1;
        }
        let marker = *head.get(at + 1)?;
        match marker {
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((number(at + 7)?, number(at + 5)?));
            }
            0xd9 | 0xda => return None,
            _ => at += 2 + usize::try_from(number(at + 2)?).ok()?.max(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_jpegs_never_loop_or_panic() {
        for bytes in [
            b"\xff\xd8\xff\xff\xff\xff".to_vec(),
            b"\xff\xd8\xff\xe0\x00\x00\xff\xe0\x00\x00".to_vec(),
            vec![0xff; 64],
        ] {
            assert_eq!(jpeg_size(&bytes), None);
        }
    }
}
