//! A visit as a calendar file that phones and desktops import.

use icalendar::{Calendar, Class, Component, Event, EventLike, EventStatus, Property};

use super::appointment::Appointment;
use super::status::Status;

/// The visit as `text/calendar`. `with` is the name of the other side.
///
/// The reason for the visit stays out: calendars are copied to places that hold no health data.
pub fn export(visit: &Appointment, with: &str) -> String {
    let cancelled = visit.status() == Status::Cancelled;
    let mut event = Event::new();
    event
        .uid(&format!("{}@healthcare", visit.id))
        .summary(&format!("Appointment with {}", one_line(with)))
        .starts(visit.slot.start)
        .ends(visit.slot.end)
        .timestamp(visit.updated_at)
        .last_modified(visit.updated_at)
        .created(visit.created_at)
        // Receivers replace what they hold by a higher number, and drop it when that says cancelled.
        .sequence(visit.version.saturating_sub(1))
        .status(status(visit.status()))
        .class(Class::Private);
    let mut calendar = Calendar::new();
    calendar.append_property(Property::new(
        "METHOD",
        if cancelled { "CANCEL" } else { "PUBLISH" },
    ));
    calendar.push(event.done());
    calendar.done().to_string()
}

fn status(status: Status) -> EventStatus {
    match status {
        Status::Booked => EventStatus::Tentative,
        Status::Confirmed | Status::Completed | Status::NoShow => EventStatus::Confirmed,
        Status::Cancelled => EventStatus::Cancelled,
    }
}

/// The writer escapes separators and line feeds but would pass on a bare carriage return.
fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use common::auth::Role;
    use common::ids::UserId;

    use super::super::appointment::{Booking, By};
    use super::super::schedule::Slot;
    use super::*;

    fn visit() -> (Appointment, By) {
        let start: DateTime<Utc> = "2027-03-28T07:00:00Z".parse().unwrap();
        let by = By {
            id: UserId::generate(),
            role: Role::Patient,
        };
        let slot = Slot {
            start,
            end: start + TimeDelta::minutes(30),
            zone: chrono_tz::Europe::Berlin,
        };
        let (visit, _) = Appointment::book(Booking {
            patient_id: by.id,
            doctor_id: UserId::generate(),
            slot,
            reason: Some("canary-reason".to_owned()),
            notice: TimeDelta::zero(),
            by,
            at: start - TimeDelta::days(3),
        });
        (visit, by)
    }

    #[test]
    fn a_hostile_name_stays_inside_its_line() {
        let (visit, _) = visit();
        let text = export(&visit, "Dr. X\r\nBEGIN:VEVENT\r\nSUMMARY:evil;,\\");
        assert_eq!(text.matches("\r\nBEGIN:VEVENT").count(), 1, "{text}");
        assert!(!text.contains("\nSUMMARY:evil"), "{text}");
        assert!(text.contains("\\;\\,\\\\"), "{text}");
    }

    #[test]
    fn it_holds_the_instants_and_never_the_reason() {
        let (visit, _) = visit();
        let text = export(&visit, "Dr. Ada");
        for line in [
            "DTSTART:20270328T070000Z",
            "DTEND:20270328T073000Z",
            "STATUS:TENTATIVE",
            "METHOD:PUBLISH",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        assert!(!text.contains("canary-reason"));
    }

    #[test]
    fn a_cancelled_visit_takes_itself_out_of_the_calendar() {
        let (mut visit, by) = visit();
        let act = visit.act(by, visit.created_at).unwrap();
        visit.cancel(act, None).unwrap();
        let text = export(&visit, "Dr. Ada");
        for line in ["METHOD:CANCEL", "STATUS:CANCELLED", "SEQUENCE:1"] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
