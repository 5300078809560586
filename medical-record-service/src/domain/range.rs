//! The `Range` header (RFC 9110 §14): one range of bytes, or the whole.

/// Which part of a file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything: no range was asked for, or one that a server may ignore.
    Whole,
    /// The bytes `first..=last`.
    Slice {
        /// First byte to send.
        first: u64,
        /// Last byte to send.
        last: u64,
    },
    /// Nothing of it lies in the file.
    Unsatisfiable,
}

/// Read a `Range` header for a file of `size` bytes. Several ranges at once, other units and what cannot
/// be read are ignored, as the standard allows.
pub fn parse(header: Option<&str>, size: u64) -> Part {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), None) if last.trim().is_empty() => slice(first, size.saturating_sub(1), size),
        (Some(first), Some(last)) if first <= last => slice(first, last, size),
        (None, Some(length)) if first.trim().is_empty() => suffix(length, size),
        _ => Part::Whole,
    }
}

fn slice(first: u64, last: u64, size: u64) -> Part {
    if first < size {
        Part::Slice {
            first,
            last: last.min(size - 1),
        }
    } else {
        Part::Unsatisfiable
    }
}

fn suffix(length: u64, size: u64) -> Part {
    if length == 0 || size == 0 {
        return Part::Unsatisfiable;
    }
    Part::Slice {
        first: size.saturating_sub(length),
        last: size - 1,
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Digits that do not fit are a number beyond any file.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_anything_odd_is_ignored() {
        let cases = [
            (None, Part::Whole),
            (Some("bytes=0-"), Part::Slice { first: 0, last: 9 }),
            (Some("bytes=0-0"), Part::Slice { first: 0, last: 0 }),
            (Some("bytes=2-5"), Part::Slice { first: 2, last: 5 }),
            (Some("bytes=2-500"), Part::Slice { first: 2, last: 9 }),
            (Some("bytes=-3"), Part::Slice { first: 7, last: 9 }),
            (Some("bytes=-30"), Part::Slice { first: 0, last: 9 }),
            (Some("bytes=10-"), Part::Unsatisfiable),
            (Some("bytes=99999999999999999999999-"), Part::Unsatisfiable),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=5-2"), Part::Whole),
            (Some("bytes=0-1,3-4"), Part::Whole),
            (Some("bytes=--1"), Part::Whole),
            (Some("bytes=-"), Part::Whole),
            (Some("bytes=+1-2"), Part::Whole),
            (Some("lines=0-1"), Part::Whole),
            (Some(""), Part::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header, 10), expected, "{header:?}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Part::Unsatisfiable);
    }
}
