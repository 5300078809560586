//! Hours as user-service tells them.

use chrono::{NaiveDate, NaiveTime, TimeDelta, Weekday};
use common::clients::users::{Availability, Day, DayException};

use super::{Hours, Window};

/// user-service checks what it stores; should it store something else, nothing can be booked by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the doctor's hours cannot be read: {0:?}")]
pub struct UnreadableHours(String);

/// The text is not of the form that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWallTime {
    #[error("must be a date as 2027-03-28")]
    Date,
    #[error("must be a time as 09:30")]
    Time,
}

/// `YYYY-MM-DD` and nothing else.
pub fn parse_date(text: &str) -> Result<NaiveDate, InvalidWallTime> {
    if !has_shape(text, "dddd-dd-dd") {
        return Err(InvalidWallTime::Date);
    }
    text.parse().map_err(|_| InvalidWallTime::Date)
}

/// `HH:MM` and nothing else.
pub fn parse_time(text: &str) -> Result<NaiveTime, InvalidWallTime> {
    if !has_shape(text, "dd:dd") {
        return Err(InvalidWallTime::Time);
    }
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| InvalidWallTime::Time)
}

fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

impl TryFrom<&Availability> for Hours {
    type Error = UnreadableHours;

    fn try_from(availability: &Availability) -> Result<Self, UnreadableHours> {
        let unreadable = |what: &str| UnreadableHours(what.to_owned());
        let zone = availability
            .time_zone
            .parse()
            .map_err(|_| unreadable(&availability.time_zone))?;
        if !(1..=24 * 60).contains(&availability.slot_minutes) {
            return Err(unreadable("slot_minutes"));
        }
        let weekly = availability
            .weekly
            .iter()
            .map(|hours| Some((weekday(hours.day), window(&hours.start, &hours.end)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("weekly"))?;
        let exceptions = availability
            .exceptions
            .iter()
            .map(exception)
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("exceptions"))?;
        Ok(Self {
            zone,
            visit: TimeDelta::minutes(availability.slot_minutes.into()),
            weekly,
            exceptions,
        })
    }
}

fn exception(exception: &DayException) -> Option<(NaiveDate, Option<Window>)> {
    let date = parse_date(&exception.date).ok()?;
    if !exception.available {
        return Some((date, None));
    }
    let open = window(exception.start.as_deref()?, exception.end.as_deref()?)?;
    Some((date, Some(open)))
}

fn window(start: &str, end: &str) -> Option<Window> {
    // A day that ends at 24:00 ends at the next midnight.
    let end = if end == "24:00" { "00:00" } else { end };
    Some(Window {
        start: parse_time(start).ok()?,
        end: parse_time(end).ok()?,
    })
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Mon,
        Day::Tuesday => Weekday::Tue,
        Day::Wednesday => Weekday::Wed,
        Day::Thursday => Weekday::Thu,
        Day::Friday => Weekday::Fri,
        Day::Saturday => Weekday::Sat,
        Day::Sunday => Weekday::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_forms_of_the_api_are_dates_and_times() {
        assert!(parse_date("2027-02-28").is_ok());
        for bad in [
            "",
            "2027-2-28",
            "2027-02-29",
            "+12027-02-28",
            "28.02.2027",
            "2027-02-28T00:00",
            "２０２７-02-28",
        ] {
            assert_eq!(parse_date(bad), Err(InvalidWallTime::Date), "{bad}");
        }
        assert!(parse_time("09:30").is_ok());
        for bad in ["", "9:30", "24:00", "09:60", "09:30:00", "09.30", " 9:30"] {
            assert_eq!(parse_time(bad), Err(InvalidWallTime::Time), "{bad}");
        }
    }

    #[test]
    fn hours_that_make_no_sense_are_refused_and_never_guessed_at() {
        let good = serde_json::json!({
            "time_zone": "Europe/Berlin", "slot_minutes": 30,
            "weekly": [{"day": "MONDAY", "start": "09:00", "end": "24:00"}],
            "exceptions": [{"date": "2027-01-01", "available": false}],
        });
        let read = |value: serde_json::Value| {
            Hours::try_from(&serde_json::from_value::<Availability>(value).unwrap())
        };
        assert_eq!(read(good.clone()).unwrap().weekly[0].0, Weekday::Mon);
        for (pointer, bad) in [
            ("/time_zone", serde_json::json!("Mars/Olympus")),
            ("/slot_minutes", serde_json::json!(0)),
            ("/slot_minutes", serde_json::json!(1441)),
            ("/weekly/0/end", serde_json::json!("25:00")),
            ("/exceptions/0/date", serde_json::json!("yesterday")),
            ("/exceptions/0/available", serde_json::json!(true)),
        ] {
            let mut hours = good.clone();
            *hours.pointer_mut(pointer).unwrap() = bad;
            assert!(read(hours).is_err(), "{pointer}");
        }
    }
}
