//! IANA time zones.

use chrono_tz::Tz;

/// The text names no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone such as Europe/Berlin")]
pub struct UnknownZone;

/// The zone of that name.
pub fn parse(name: &str) -> Result<Tz, UnknownZone> {
    name.parse().map_err(|_| UnknownZone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_pass() {
        assert_eq!(parse("Europe/Berlin"), Ok(chrono_tz::Europe::Berlin));
        assert_eq!(parse("UTC"), Ok(Tz::UTC));
        for bad in ["", "Mars/Olympus", "+02:00", "europe/berlin ", "../etc/passwd"] {
            assert_eq!(parse(bad), Err(UnknownZone), "{bad:?}");
        }
    }
}
