//! What a user wants to hear, how, and when not.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use common::clients::users::{ChannelChoice, Preferences, QuietHours};

use super::channel::Channel;
use super::template::{Category, Template};

/// A cancellation or move of a visit that is nearer than this is told at night too.
const URGENT: TimeDelta = TimeDelta::hours(12);

/// Whether the user wants messages of this category over this channel; `by_default` holds when the user says
/// nothing.
pub fn wants(preferences: &Preferences, category: Category, channel: Channel, by_default: bool) -> bool {
    if category == Category::Security {
        return by_default;
    }
    let choice = preferences.categories.get(category.as_str());
    choice
        .and_then(|choice| said(choice, channel))
        .unwrap_or(by_default)
}

fn said(choice: &ChannelChoice, channel: Channel) -> Option<bool> {
    match channel {
        Channel::Email => choice.email,
        Channel::Sms => choice.sms,
    }
}

/// Whether a message must wait for the end of the user's quiet hours: every SMS, and reminders by mail. News of a
/// visit that is near (`start_at` before or after the change) does not wait.
pub fn respects_quiet(
    template: Template,
    channel: Channel,
    start_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    match template.category() {
        Category::Security => false,
        Category::Reminder => true,
        Category::Appointment if start_at.is_some_and(|start| start - now < URGENT) => false,
        _ => channel == Channel::Sms,
    }
}

/// A stretch of quiet around one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// The user's quiet stretch that `at` falls into, if any.
pub fn quiet_at(hours: Option<&QuietHours>, zone: Tz, at: DateTime<Utc>) -> Option<Quiet> {
    let hours = hours?;
    let (start, end) = (wall_clock(&hours.start)?, wall_clock(&hours.end)?);
    if start == end {
        return None;
    }
    let today = at.with_timezone(&zone).date_naive();
    // A stretch over midnight may have begun the day before.
    [today.pred_opt()?, today].into_iter().find_map(|day| {
        let last = if end > start { day } else { day.succ_opt()? };
        let quiet = Quiet {
            from: instant(zone, day, start)?,
            until: instant(zone, last, end)?,
        };
        (quiet.from <= at && at < quiet.until).then_some(quiet)
    })
}

fn wall_clock(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

/// A wall-clock time as an instant; one that the clock skips in spring is taken an hour later.
fn instant(zone: Tz, day: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
    let local = day.and_time(time);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        LocalResult::None => zone
            .from_local_datetime(&(local + Duration::hours(1)))
            .earliest()
            .map(|at| at.to_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn hours(start: &str, end: &str) -> QuietHours {
        QuietHours {
            start: start.to_owned(),
            end: end.to_owned(),
        }
    }

    #[test]
    fn quiet_hours_go_over_midnight_in_the_users_own_zone() {
        let night = hours("22:00", "07:00");
        let zone = Tz::Europe__Berlin;
        let quiet = Quiet {
            from: at("2026-11-20T21:00:00Z"),
            until: at("2026-11-21T06:00:00Z"),
        };
        for inside in [
            "2026-11-20T21:00:00Z",
            "2026-11-20T23:30:00Z",
            "2026-11-21T05:59:59Z",
        ] {
            assert_eq!(quiet_at(Some(&night), zone, at(inside)), Some(quiet), "{inside}");
        }
        for outside in [
            "2026-11-20T20:59:59Z",
            "2026-11-21T06:00:00Z",
            "2026-11-20T12:00:00Z",
        ] {
            assert_eq!(quiet_at(Some(&night), zone, at(outside)), None, "{outside}");
        }
        assert_eq!(
            quiet_at(
                Some(&hours("12:00", "14:00")),
                Tz::UTC,
                at("2026-11-20T13:00:00Z")
            )
            .unwrap()
            .until,
            at("2026-11-20T14:00:00Z")
        );
    }

    #[test]
    fn a_night_that_loses_an_hour_ends_on_the_wall_clock() {
        // Berlin goes from 02:00 to 03:00 on 29 March 2026.
        let quiet = quiet_at(
            Some(&hours("22:00", "07:00")),
            Tz::Europe__Berlin,
            at("2026-03-29T01:30:00Z"),
        )
        .unwrap();
        assert_eq!(
            quiet,
            Quiet {
                from: at("2026-03-28T21:00:00Z"),
                until: at("2026-03-29T05:00:00Z")
            }
        );
        let skipped = quiet_at(
            Some(&hours("01:00", "02:30")),
            Tz::Europe__Berlin,
            at("2026-03-29T00:30:00Z"),
        )
        .unwrap();
        assert_eq!(skipped.until, at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn hours_that_make_no_sense_keep_nobody_quiet() {
        for (start, end) in [("", ""), ("25:00", "07:00"), ("07:00", "07:00"), ("x", "07:00")] {
            assert_eq!(
                quiet_at(Some(&hours(start, end)), Tz::UTC, at("2026-11-20T01:00:00Z")),
                None
            );
        }
        assert_eq!(quiet_at(None, Tz::UTC, at("2026-11-20T01:00:00Z")), None);
    }

    #[test]
    fn a_choice_overrules_the_default_but_not_for_security() {
        let mut preferences = Preferences::default();
        let off = ChannelChoice {
            email: Some(false),
            sms: Some(true),
        };
        for category in [Category::Reminder, Category::Security] {
            preferences
                .categories
                .insert(category.as_str().to_owned(), off.clone());
        }
        assert!(!wants(&preferences, Category::Reminder, Channel::Email, true));
        assert!(wants(&preferences, Category::Reminder, Channel::Sms, false));
        assert!(wants(&preferences, Category::Security, Channel::Email, true));
        assert!(wants(&preferences, Category::Record, Channel::Email, true));
        assert!(!wants(&preferences, Category::Record, Channel::Sms, false));
    }

    #[test]
    fn reminders_always_wait_and_a_near_cancellation_never() {
        let now = at("2026-11-20T23:00:00Z");
        let (near, far) = (Some(now + TimeDelta::hours(9)), Some(now + TimeDelta::hours(30)));
        assert!(respects_quiet(
            Template::AppointmentReminder,
            Channel::Email,
            near,
            now
        ));
        assert!(!respects_quiet(
            Template::AppointmentCancelled,
            Channel::Sms,
            near,
            now
        ));
        assert!(respects_quiet(
            Template::AppointmentCancelled,
            Channel::Sms,
            far,
            now
        ));
        assert!(!respects_quiet(
            Template::AppointmentCancelled,
            Channel::Email,
            far,
            now
        ));
        assert!(!respects_quiet(Template::PasswordReset, Channel::Sms, None, now));
        assert!(respects_quiet(Template::Message, Channel::Sms, None, now));
    }
}
