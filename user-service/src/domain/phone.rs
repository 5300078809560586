//! Phone numbers in E.164.

use std::ops::RangeInclusive;

use phonenumber::Mode;

/// With country code: from the smallest island's to the longest that E.164 allows.
const DIGITS: RangeInclusive<usize> = 7..=15;

/// The text is not a number that the world's networks could route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an international phone number such as +4930901820")]
pub struct InvalidPhone;

/// The number in E.164 (`+` and digits).
///
/// Checked for country code and length, not against the numbering plan's ranges: those change faster than
/// any copy of them, and a refused real number is worse than an accepted dead one.
pub fn parse(raw: &str) -> Result<String, InvalidPhone> {
    let text = raw.trim_matches(' ');
    let allowed = |c: char| c.is_ascii_digit() || "+ -().".contains(c);
    if !text.starts_with('+') || text.len() > 40 || !text.chars().all(allowed) {
        return Err(InvalidPhone);
    }
    let number = phonenumber::parse(None, text).map_err(|_| InvalidPhone)?;
    let e164 = number.format().mode(Mode::E164).to_string();
    if DIGITS.contains(&(e164.len() - 1)) {
        Ok(e164)
    } else {
        Err(InvalidPhone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_one_form() {
        for (raw, e164) in [
            ("+49 30 901820", "+4930901820"),
            ("+49 (30) 9018-20", "+4930901820"),
            ("+1 202-555-0143", "+12025550143"),
            ("+15551234567", "+15551234567"),
            ("+39 06 698 12345", "+390669812345"),
            ("+919876543210", "+919876543210"),
        ] {
            assert_eq!(parse(raw).as_deref(), Ok(e164), "{raw}");
        }
    }

    #[test]
    fn what_no_network_routes_is_refused() {
        for (bad, why) in [
            ("", "empty"),
            ("030 901820", "national form"),
            ("+999123456789", "no such country code"),
            ("+1555", "too short"),
            ("+1555123456789012", "too long"),
            ("+1 202 555 0143 ext 5", "extension"),
            ("+1202555\n0143", "line break"),
            ("tel:+12025550143", "URI"),
            ("+١٢٠٢٥٥٥٠١٤٣", "other digits"),
        ] {
            assert_eq!(parse(bad), Err(InvalidPhone), "{why}");
        }
    }
}
