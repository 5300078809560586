//! What this service tells the others: ids and versions, nothing of what is in a record.

use chrono::{DateTime, Utc};
use common::events::{Event, GlassBroken, Payload, RecordChange};
use common::ids::UserId;

use crate::NAME;

/// `record.created` for the first version of a record, `record.amended` for a later one.
pub fn written(change: RecordChange, at: DateTime<Utc>) -> Event {
    let subject = change.record_id;
    let payload = if change.version == 1 {
        Payload::RecordCreated(change)
    } else {
        Payload::RecordAmended(change)
    };
    Event::new(NAME, subject, at, &payload)
}

/// `record.accessed_by_break_glass`
pub fn glass_broken(patient_id: UserId, doctor_id: UserId, accessed_at: DateTime<Utc>) -> Event {
    let payload = Payload::RecordAccessedByBreakGlass(GlassBroken {
        patient_id,
        doctor_id,
        accessed_at,
    });
    Event::new(NAME, patient_id, accessed_at, &payload)
}
