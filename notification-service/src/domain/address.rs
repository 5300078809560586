//! Which numbers may be written to.

/// Satellite and global networks, shared-cost and premium services: calls to them earn somebody money.
const NEVER: [&str; 11] = [
    "+800", "+808", "+870", "+878", "+881", "+882", "+883", "+888", "+979", "+1900", "+1976",
];

/// `+`, a country code and a number: 8 to 15 digits in all.
pub fn is_e164(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Whether an SMS may go to `phone`: a well-formed number of an allowed country. No prefixes: every country.
pub fn may_text(phone: &str, allowed_prefixes: &[String]) -> bool {
    let allowed = || allowed_prefixes.iter().any(|prefix| phone.starts_with(prefix));
    is_e164(phone)
        && !NEVER.iter().any(|prefix| phone.starts_with(prefix))
        && (allowed_prefixes.is_empty() || allowed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_numbers_of_allowed_countries_are_written_to() {
        let germany = ["+49".to_owned()];
        assert!(may_text("+4915112345678", &germany));
        assert!(may_text("+15005550006", &[]));
        assert!(!may_text("+15005550006", &germany));
        for bad in [
            "",
            "+",
            "004915112345678",
            "4915112345678",
            "+49151abc45678",
            "+1234567",
            "+1234567890123456",
            "+0123456789",
            "+881612345678",
            "+19005550006",
            "+97912345678",
            "+49 151 12345678",
            "+49151123\n45678",
        ] {
            assert!(!may_text(bad, &[]), "{bad:?}");
        }
    }
}
