use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use common::clients::users::QuietHours;

use super::preferences::quiet_at;

/// A reminder later than this before the visit is of no use.
pub const LATEST: TimeDelta = TimeDelta::minutes(10);

/// One reminder of one visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    pub offset_minutes: u32,
    pub due_at: DateTime<Utc>,
    /// From then on the next reminder, or the visit, makes it pointless.
    pub expires_at: DateTime<Utc>,
}

/// The reminders still ahead of a visit that starts at `start_at`, for a patient with these quiet hours.
pub fn plan(
    start_at: DateTime<Utc>,
    offsets_minutes: &[u32],
    quiet: (Option<&QuietHours>, Tz),
    now: DateTime<Utc>,
) -> Vec<Reminder> {
    let mut offsets = offsets_minutes.to_vec();
    offsets.sort_unstable_by(|a, b| b.cmp(a));
    offsets.dedup();
    let instant = |offset: u32| start_at - TimeDelta::minutes(i64::from(offset));
    let mut plan: Vec<Reminder> = Vec::new();
    for (place, offset) in offsets.iter().enumerate() {
        let expires_at = offsets
            .get(place + 1)
            .map_or(start_at - LATEST, |next| instant(*next));
        let wanted = instant(*offset);
        if wanted <= now {
            continue;
        }
        let due_at = outside_quiet(wanted, expires_at, quiet);
        plan.push(Reminder {
            offset_minutes: *offset,
            due_at,
            expires_at,
        });
    }
    plan
}

/// After the quiet hours if that is early enough, else before them.
fn outside_quiet(
    wanted: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    quiet: (Option<&QuietHours>, Tz),
) -> DateTime<Utc> {
    match quiet_at(quiet.0, quiet.1, wanted) {
        Some(quiet) if quiet.until < expires_at => quiet.until,
        Some(quiet) => quiet.from - TimeDelta::minutes(1),
        None => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: [u32; 2] = [1440, 120];

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn due(start: &str, now: &str, quiet: Option<(&str, &str)>) -> Vec<(u32, DateTime<Utc>)> {
        let hours = quiet.map(|(start, end)| QuietHours {
            start: start.to_owned(),
            end: end.to_owned(),
        });
        let plan = plan(at(start), &OFFSETS, (hours.as_ref(), Tz::Europe__Berlin), at(now));
        plan.iter().map(|r| (r.offset_minutes, r.due_at)).collect()
    }

    #[test]
    fn a_day_and_two_hours_before() {
        assert_eq!(
            due("2026-11-25T10:00:00Z", "2026-11-20T10:00:00Z", None),
            [
                (1440, at("2026-11-24T10:00:00Z")),
                (120, at("2026-11-25T08:00:00Z"))
            ]
        );
    }

    #[test]
    fn what_would_be_in_the_past_is_left_out() {
        assert_eq!(
            due("2026-11-25T10:00:00Z", "2026-11-25T07:00:00Z", None),
            [(120, at("2026-11-25T08:00:00Z"))]
        );
        assert_eq!(due("2026-11-25T10:00:00Z", "2026-11-25T08:00:00Z", None), []);
        assert_eq!(due("2026-11-25T10:00:00Z", "2026-11-26T08:00:00Z", None), []);
    }

    #[test]
    fn quiet_hours_push_a_reminder_after_them_or_before_them() {
        // 09:00 in Berlin; two hours before is 07:00, still quiet until 08:00: early enough.
        let night = Some(("22:00", "08:00"));
        assert_eq!(
            due("2026-11-25T08:00:00Z", "2026-11-25T00:00:00Z", night),
            [(120, at("2026-11-25T07:00:00Z"))]
        );
        // 08:00 in Berlin: after the night would be too late, so the evening before.
        assert_eq!(
            due("2026-11-25T07:00:00Z", "2026-11-24T12:00:00Z", night),
            [(120, at("2026-11-24T20:59:00Z"))]
        );
    }

    #[test]
    fn the_first_gives_way_to_the_second() {
        let plan = plan(
            at("2026-11-25T10:00:00Z"),
            &OFFSETS,
            (None, Tz::UTC),
            at("2026-11-20T10:00:00Z"),
        );
        assert_eq!(plan[0].expires_at, plan[1].due_at);
        assert_eq!(plan[1].expires_at, at("2026-11-25T09:50:00Z"));
    }
}
