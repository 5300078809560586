//! What other services may ask.

use axum::extract::State;
use chrono::TimeDelta;
use common::auth::ServiceCaller;
use common::clients::appointments::{AppointmentCard, Relationship};
use common::extract::{Json, Path, Query};
use common::ids::{AppointmentId, UserId};
use common::problem::Problem;
use serde::Deserialize;

use crate::AppState;
use crate::error::Error;
use crate::store::appointments;

/// Who has a use for it. Any other service of the fleet is refused.
const CALLERS: [&str; 2] = ["medical-record-service", "notification-service"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    doctor_id: UserId,
    patient_id: UserId,
    /// Days after a visit for which it counts; our own setting when absent.
    days_after: Option<u32>,
}

/// A visit without names and reasons.
pub async fn appointment(
    State(state): State<AppState>,
    service: ServiceCaller,
    Path(id): Path<AppointmentId>,
) -> Result<Json<AppointmentCard>, Error> {
    admit(&service)?;
    let visit = appointments::find(&mut *state.pool.acquire().await?, id)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(Json(AppointmentCard {
        id: visit.id,
        patient_id: visit.patient_id,
        doctor_id: visit.doctor_id,
        status: visit.status().to_string(),
        start_at: visit.slot.start,
        end_at: visit.slot.end,
        time_zone: visit.slot.zone.name().to_owned(),
        version: visit.version,
    }))
}

/// Whether a visit makes the doctor one who treats the patient: agreed by the patient or begun, neither cancelled
/// nor missed, until so many days after it.
pub async fn relationship(
    State(state): State<AppState>,
    service: ServiceCaller,
    Query(pair): Query<Pair>,
) -> Result<Json<Relationship>, Error> {
    admit(&service)?;
    let days = pair
        .days_after
        .unwrap_or(state.settings.current().relationship.days_after_visit);
    let after = TimeDelta::days(days.min(36_600).into());
    let now = state.core.clock.now();
    let connection = &mut *state.pool.acquire().await?;
    let visit = appointments::treating(connection, pair.doctor_id, pair.patient_id, now, now - after).await?;
    Ok(Json(Relationship {
        appointment_id: visit.map(|(id, _)| id),
        until: visit.map(|(_, end)| end + after),
    }))
}

fn admit(service: &ServiceCaller) -> Result<(), Problem> {
    if CALLERS.contains(&&*service.name) {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "service-not-allowed",
            "this service has no use for it",
        ))
    }
}
