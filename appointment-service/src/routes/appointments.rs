//! Visits as clients see them.

pub mod book;
pub mod change;
pub mod list;
pub mod read;
pub mod reschedule;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use common::auth::{Caller, Role};
use common::ids::{AppointmentId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::domain::appointment::{Appointment, By, State};
use crate::domain::status::Status;
use crate::error::Error;

/// A visit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Appointment)]
pub struct AppointmentView {
    id: AppointmentId,
    patient_id: UserId,
    patient_name: Option<String>,
    doctor_id: UserId,
    doctor_name: Option<String>,
    /// On the doctor's wall.
    date: NaiveDate,
    /// On the doctor's wall.
    #[schema(example = "09:30")]
    time: String,
    /// IANA name of the doctor's zone.
    time_zone: String,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    duration_minutes: i64,
    status: Status,
    reason: Option<String>,
    cancellation: Option<CancellationView>,
    /// The doctor made it and its patient has not confirmed it.
    awaits_patient: bool,
    /// Until when its patient can cancel or move it.
    cancellable_until: DateTime<Utc>,
    /// Grows by one with every change.
    version: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// How a visit came to be cancelled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cancellation)]
pub struct CancellationView {
    by: UserId,
    by_role: Role,
    reason: Option<String>,
    at: DateTime<Utc>,
}

impl AppointmentView {
    fn new(visit: &Appointment, names: &HashMap<UserId, String>) -> Self {
        let cancellation = match &visit.state {
            State::Cancelled(cancellation) => Some(CancellationView {
                by: cancellation.by.id,
                by_role: cancellation.by.role,
                reason: cancellation.reason.clone(),
                at: cancellation.at,
            }),
            _ => None,
        };
        Self {
            id: visit.id,
            patient_id: visit.patient_id,
            patient_name: names.get(&visit.patient_id).cloned(),
            doctor_id: visit.doctor_id,
            doctor_name: names.get(&visit.doctor_id).cloned(),
            date: visit.slot.date(),
            time: visit.slot.time().format("%H:%M").to_string(),
            time_zone: visit.slot.zone.name().to_owned(),
            start_at: visit.slot.start,
            end_at: visit.slot.end,
            duration_minutes: visit.slot.minutes(),
            status: visit.status(),
            reason: visit.reason.clone(),
            cancellation,
            awaits_patient: visit.awaits_patient(),
            cancellable_until: visit.cancellable_until(),
            version: visit.version,
            created_at: visit.created_at,
            updated_at: visit.updated_at,
        }
    }
}

/// Visits with the names of those who take part.
async fn present(state: &AppState, visits: &[Appointment]) -> Result<Vec<AppointmentView>, Error> {
    let ids: Vec<UserId> = visits
        .iter()
        .flat_map(|visit| [visit.doctor_id, visit.patient_id])
        .collect();
    let fresh = TimeDelta::seconds(state.settings.current().names.fresh_s.into());
    let names = state.names.of(&ids, fresh).await?;
    Ok(visits
        .iter()
        .map(|visit| AppointmentView::new(visit, &names))
        .collect())
}

async fn present_one(state: &AppState, visit: Appointment) -> Result<AppointmentView, Error> {
    present(state, &[visit]).await?.pop().ok_or(Error::NotFound)
}

fn by(caller: &Caller) -> By {
    By {
        id: caller.id,
        role: caller.role,
    }
}
