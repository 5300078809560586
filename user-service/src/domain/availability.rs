//! A doctor's hours: what may be stored.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, Timelike};
use common::clients::users::{Availability, DayException, WeeklyWindow};
use common::problem::Checks;

use super::zone;

const MIN_SLOT: u32 = 5;
const MAX_SLOT: u32 = 480;
const MAX_WINDOWS: usize = 100;
const MAX_EXCEPTIONS: usize = 400;

/// No hours yet: not bookable until some are given.
pub fn none(time_zone: &str) -> Availability {
    Availability {
        time_zone: time_zone.to_owned(),
        slot_minutes: 30,
        weekly: Vec::new(),
        exceptions: Vec::new(),
    }
}

/// Note everything that is wrong with `availability`, which stands at `pointer` of the request.
pub fn check(availability: &Availability, pointer: &str, checks: &mut Checks) {
    checks.take(
        &format!("{pointer}/time_zone"),
        zone::parse(&availability.time_zone),
    );
    if !(MIN_SLOT..=MAX_SLOT).contains(&availability.slot_minutes) {
        checks.refuse(
            format!("{pointer}/slot_minutes"),
            format!("must be {MIN_SLOT} to {MAX_SLOT}"),
        );
        return;
    }
    if availability.weekly.len() > MAX_WINDOWS {
        return checks.refuse(
            format!("{pointer}/weekly"),
            format!("must be at most {MAX_WINDOWS}"),
        );
    }
    if availability.exceptions.len() > MAX_EXCEPTIONS {
        return checks.refuse(
            format!("{pointer}/exceptions"),
            format!("must be at most {MAX_EXCEPTIONS}"),
        );
    }
    check_weekly(&availability.weekly, availability.slot_minutes, pointer, checks);
    check_exceptions(
        &availability.exceptions,
        availability.slot_minutes,
        pointer,
        checks,
    );
}

/// Minutes since midnight.
type Span = (u32, u32);

fn check_weekly(windows: &[WeeklyWindow], slot: u32, pointer: &str, checks: &mut Checks) {
    let mut by_day = BTreeMap::<_, Vec<Span>>::new();
    for (place, window) in windows.iter().enumerate() {
        let at = format!("{pointer}/weekly/{place}");
        if let Some(span) = span(&window.start, &window.end, slot, &at, checks) {
            add(by_day.entry(window.day).or_default(), span, &at, checks);
        }
    }
}

fn check_exceptions(exceptions: &[DayException], slot: u32, pointer: &str, checks: &mut Checks) {
    let mut open = BTreeMap::<_, Vec<Span>>::new();
    let mut closed = Vec::new();
    for (place, exception) in exceptions.iter().enumerate() {
        let at = format!("{pointer}/exceptions/{place}");
        let Some(date) = checks.take(&format!("{at}/date"), date(&exception.date)) else {
            continue;
        };
        match (exception.available, &exception.start, &exception.end) {
            (false, None, None) => closed.push((date, at)),
            (false, ..) => checks.refuse(at, "a day without visits has neither start nor end"),
            (true, Some(start), Some(end)) => {
                if let Some(span) = span(start, end, slot, &at, checks) {
                    add(open.entry(date).or_default(), span, &at, checks);
                }
            }
            (true, ..) => checks.refuse(at, "a day with other hours needs start and end"),
        }
    }
    let mut seen = Vec::new();
    for (date, at) in closed {
        if open.contains_key(&date) || seen.contains(&date) {
            checks.refuse(format!("{at}/date"), "says of one day two things");
        }
        seen.push(date);
    }
}

fn add(spans: &mut Vec<Span>, new: Span, at: &str, checks: &mut Checks) {
    if spans.iter().any(|(start, end)| *start < new.1 && new.0 < *end) {
        checks.refuse(at, "overlaps another window of the same day");
    }
    spans.push(new);
}

fn span(start: &str, end: &str, slot: u32, at: &str, checks: &mut Checks) -> Option<Span> {
    let from = checks.take(&format!("{at}/start"), minute(start));
    let to = checks.take(&format!("{at}/end"), minute(end));
    let (from, to) = (from?, to?);
    if to <= from {
        checks.refuse(format!("{at}/end"), "must be later than start");
        return None;
    }
    if to - from < slot {
        checks.refuse(at, "is shorter than one visit");
        return None;
    }
    Some((from, to))
}

/// Minutes since midnight of exactly `HH:MM`.
pub fn minute(text: &str) -> Result<u32, &'static str> {
    let time = (text.len() == 5)
        .then(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
        .flatten();
    time.map(|time| time.hour() * 60 + time.minute())
        .ok_or("must be a time as HH:MM, 00:00 to 23:59")
}

fn date(text: &str) -> Result<NaiveDate, &'static str> {
    let date = (text.len() == 10)
        .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .flatten();
    date.ok_or("must be a date as YYYY-MM-DD")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "time_zone": "Europe/Berlin",
            "slot_minutes": 30,
            "weekly": [
                {"day": "MONDAY", "start": "09:00", "end": "12:00"},
                {"day": "MONDAY", "start": "12:00", "end": "17:00"},
                {"day": "TUESDAY", "start": "09:00", "end": "09:30"}
            ],
            "exceptions": [
                {"date": "2026-12-24", "available": false},
                {"date": "2026-12-28", "available": true, "start": "09:00", "end": "11:00"},
                {"date": "2026-12-28", "available": true, "start": "13:00", "end": "15:00"}
            ]
        })
    }

    fn refused(pointer: &str, value: Value) -> Vec<String> {
        let mut body = good();
        *body.pointer_mut(pointer).unwrap() = value;
        let Ok(availability) = serde_json::from_value(body) else {
            return vec!["unreadable".to_owned()];
        };
        let mut checks = Checks::default();
        check(&availability, "", &mut checks);
        let document = checks.into_problem().document();
        document.errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn sound_hours_pass() {
        assert_eq!(refused("/slot_minutes", json!(30)), Vec::<String>::new());
        assert_eq!(refused("/exceptions", json!([])), Vec::<String>::new());
    }

    #[test]
    fn unsound_hours_are_refused_where_they_stand() {
        for (pointer, value, at) in [
            ("/time_zone", json!("Mars/Olympus"), "/time_zone"),
            ("/slot_minutes", json!(0), "/slot_minutes"),
            ("/slot_minutes", json!(481), "/slot_minutes"),
            ("/weekly/0/start", json!("9:00"), "/weekly/0/start"),
            ("/weekly/0/start", json!("24:00"), "/weekly/0/start"),
            ("/weekly/0/start", json!("09:00:00"), "/weekly/0/start"),
            ("/weekly/0/end", json!("09:00"), "/weekly/0/end"),
            ("/weekly/0/end", json!("12:01"), "/weekly/1"),
            ("/weekly/0/end", json!("09:29"), "/weekly/0"),
            ("/weekly/0/day", json!("FUNDAY"), "unreadable"),
            ("/exceptions/0/date", json!("2026-02-30"), "/exceptions/0/date"),
            ("/exceptions/0/date", json!("2026-12-28"), "/exceptions/0/date"),
            (
                "/exceptions/0",
                json!({"date": "2026-12-24", "available": true}),
                "/exceptions/0",
            ),
            (
                "/exceptions/0",
                json!({"date": "2026-12-24", "available": false, "start": "09:00"}),
                "/exceptions/0",
            ),
            ("/exceptions/2/start", json!("10:30"), "/exceptions/2"),
        ] {
            assert_eq!(refused(pointer, value.clone()), [at], "{pointer} = {value}");
        }
        let many = json!(vec![json!({"date": "2026-12-24", "available": false}); 401]);
        assert_eq!(refused("/exceptions", many), ["/exceptions"]);
    }
}
