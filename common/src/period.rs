//! `from` and `to` in a list's query, which mean the same in every service: from this moment on, and up to a date with
//! all of that day, or up to an instant without it.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::problem::Checks;

/// A day or an instant, as a client writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `2026-02-28`: the whole day, on whichever wall the service says.
    Date(NaiveDate),
    /// `2026-02-28T10:00:00+02:00`
    Instant(DateTime<Utc>),
}

/// The text is neither a day nor an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a date (YYYY-MM-DD) or an instant with offset, of a year from 1000 to 9999")]
pub struct InvalidMoment;

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        // The library reads other spellings as well.
        let date = text.parse::<NaiveDate>().ok();
        if let Some(date) = date.filter(|date| date.to_string() == text) {
            return storable(date.year()).map(|()| Self::Date(date));
        }
        // In a query a bare plus sign means a blank.
        let instant = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|_| InvalidMoment)?;
        let instant = instant.to_utc();
        storable(instant.year()).map(|()| Self::Instant(instant))
    }
}

/// MySQL knows no other years.
fn storable(year: i32) -> Result<(), InvalidMoment> {
    (1000..=9999).contains(&year).then_some(()).ok_or(InvalidMoment)
}

impl Moment {
    /// As `from`: the first instant that is meant; days are those of UTC.
    pub fn begin(self) -> DateTime<Utc> {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN).and_utc(),
            Self::Instant(instant) => instant,
        }
    }

    /// As `to`: the first instant that is no longer meant; days are those of UTC.
    pub fn end(self) -> DateTime<Utc> {
        match self {
            Self::Date(_) => {
                let next = self.begin() + TimeDelta::days(1);
                // The day after the last one that can be stored.
                storable(next.year()).map_or(next - TimeDelta::microseconds(1), |()| next)
            }
            Self::Instant(instant) => instant,
        }
    }

    /// Read a query's `from` and `to`; what is no moment is refused at its place.
    pub fn period(
        (from, to): (Option<&str>, Option<&str>),
        checks: &mut Checks,
    ) -> (Option<Self>, Option<Self>) {
        let mut read = |place, text: Option<&str>| text.and_then(|text| checks.take(place, text.parse()));
        (read("/from", from), read("/to", to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_ends_with_the_day_and_an_instant_before_itself() {
        let day: Moment = "2026-02-28".parse().unwrap();
        assert_eq!(
            (day.begin(), day.end()),
            (at("2026-02-28T00:00:00Z"), at("2026-03-01T00:00:00Z"))
        );
        for spelling in [
            "2026-02-28T10:00:00+02:00",
            "2026-02-28T10:00:00 02:00",
            "2026-02-28T08:00:00Z",
        ] {
            let instant: Moment = spelling.parse().unwrap();
            assert_eq!(instant.begin(), at("2026-02-28T08:00:00Z"), "{spelling}");
            assert_eq!(instant.end(), instant.begin(), "{spelling}");
        }
    }

    #[test]
    fn what_no_database_can_hold_is_refused() {
        for bad in [
            "",
            "2026-02-30",
            "2026-2-28",
            "+2026-2-28",
            "2026",
            "tomorrow",
            "2026-02-28T10:00:00",
            "0000-01-01",
            "0999-12-31",
            "1000-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "+262142-01-01T00:00:00Z",
            "$ne",
        ] {
            assert_eq!(bad.parse::<Moment>(), Err(InvalidMoment), "{bad}");
        }
        let last: Moment = "9999-12-31".parse().unwrap();
        assert_eq!(last.end(), at("9999-12-31T23:59:59.999999Z"));
    }

    #[test]
    fn a_refusal_names_its_place() {
        let mut checks = Checks::default();
        let (from, to) = Moment::period((Some("2026-01-01"), Some("soon")), &mut checks);
        assert!(from.is_some() && to.is_none());
        let document = checks.into_problem().document();
        assert_eq!(document.errors.len(), 1);
        assert_eq!(document.errors[0].pointer, "/to");
    }
}
