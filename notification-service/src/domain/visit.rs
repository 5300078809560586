use chrono::{DateTime, Utc};

use super::template::Template;

/// A visit as the newest event about it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub version: u32,
    pub status: String,
    pub start_at: DateTime<Utc>,
}

impl Visit {
    /// It is going to take place.
    pub fn is_ahead(&self) -> bool {
        is_open(&self.status)
    }

    /// Whether a message about the visit, as it was when it was to start at `start_at`, is untrue by now.
    pub fn contradicts(&self, template: Template, start_at: DateTime<Utc>) -> bool {
        match template {
            Template::AppointmentBooked
            | Template::AppointmentRescheduled
            | Template::AppointmentConfirmed
            | Template::AppointmentReminder => !self.is_ahead() || self.start_at != start_at,
            _ => false,
        }
    }
}

/// The status of a visit that is going to take place.
pub fn is_open(status: &str) -> bool {
    matches!(status, "BOOKED" | "CONFIRMED")
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_message_must_fit_what_the_visit_has_become() {
        let start_at = DateTime::UNIX_EPOCH;
        let visit = |status: &str| Visit {
            version: 2,
            status: status.to_owned(),
            start_at,
        };
        assert!(!visit("BOOKED").contradicts(Template::AppointmentBooked, start_at));
        assert!(!visit("CONFIRMED").contradicts(Template::AppointmentBooked, start_at));
        assert!(visit("CANCELLED").contradicts(Template::AppointmentBooked, start_at));
        assert!(visit("CANCELLED").contradicts(Template::AppointmentReminder, start_at));
        assert!(!visit("CANCELLED").contradicts(Template::AppointmentCancelled, start_at));
        let moved = start_at + TimeDelta::minutes(15);
        assert!(visit("BOOKED").contradicts(Template::AppointmentReminder, moved));
        assert!(!visit("BOOKED").contradicts(Template::RecordCreated, moved));
    }
}
