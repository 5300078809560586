//! What this service publishes. It consumes nothing.

use common::events::{AppointmentChange, Event, Payload};

use crate::domain::appointment::Appointment;
use crate::domain::change::Change;
use crate::domain::status::Action;

/// The event that tells of `change`, after which the visit is `visit`. Ids, times and states only.
pub fn of(visit: &Appointment, change: &Change) -> Event {
    let data = AppointmentChange {
        appointment_id: visit.id,
        patient_id: visit.patient_id,
        doctor_id: visit.doctor_id,
        start_at: visit.slot.start,
        end_at: visit.slot.end,
        status: visit.status().to_string(),
        version: visit.version,
        changed_by: change.by.id,
        previous_start_at: change.from_start.filter(|_| change.action == Action::Rescheduled),
    };
    let payload = match change.action {
        Action::Booked => Payload::AppointmentBooked(data),
        Action::Rescheduled => Payload::AppointmentRescheduled(data),
        Action::Confirmed => Payload::AppointmentConfirmed(data),
        Action::Cancelled => Payload::AppointmentCancelled(data),
        Action::Completed => Payload::AppointmentCompleted(data),
        Action::NoShow => Payload::AppointmentNoShow(data),
    };
    Event::new(crate::NAME, visit.id, change.at, &payload)
}
