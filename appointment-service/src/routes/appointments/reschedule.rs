//! Moving a visit to another time.

use axum::extract::State;
use common::auth::Caller;
use common::extract::Json;
use common::ids::AppointmentId;
use common::mysql;
use common::problem::Checks;
use serde::Deserialize;
use utoipa::ToSchema;

use super::book::bookable;
use super::read::visible;
use super::{AppointmentView, by, present_one};
use crate::domain::appointment::Appointment;
use crate::domain::schedule::Slot;
use crate::domain::schedule::wire::{parse_date, parse_time};
use crate::error::Error;
use crate::routes::slots::next_free;
use crate::store::{appointments, changes, people};
use crate::{AppState, directory};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RescheduleRequest {
    appointment_id: AppointmentId,
    #[schema(example = "2027-03-29")]
    date: String,
    #[schema(example = "09:30")]
    time: String,
}

/// Move a visit to another time of its doctor.
#[utoipa::path(put, path = "/appointments/reschedule", tag = "appointments", request_body = RescheduleRequest,
    responses((status = 200, body = AppointmentView), (status = 404),
        (status = 409, description = "invalid-transition, cancellation-window-closed, slot-taken, patient-busy, doctor-unavailable"),
        (status = 422)))]
pub async fn reschedule(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<RescheduleRequest>,
) -> Result<Json<AppointmentView>, Error> {
    let mut checks = Checks::default();
    let date = checks.take("/date", parse_date(&request.date));
    let time = checks.take("/time", parse_time(&request.time));
    let (Some(date), Some(time)) = (date, time) else {
        return Err(checks.into_problem().into());
    };

    let (visit, act) = visible(&state, &caller, request.appointment_id).await?;
    // A visit that can go nowhere says so before its new time is looked at; staying where it is tells.
    visit.clone().reschedule(act, visit.slot)?;
    let hours = match directory::doctor(&state.users, visit.doctor_id).await {
        // The visit is there; its doctor has left.
        Err(Error::NoSuchDoctor) => return Err(Error::DoctorGone),
        known => known?,
    };
    let slot = bookable(
        &hours,
        (date, time),
        state.core.clock.now(),
        &state.settings.current().booking,
    )?;
    match mysql::retry(Error::is_retryable, || store(&state, &caller, &visit, slot)).await {
        Err(Error::SlotTaken(_)) => Err(Error::SlotTaken(
            next_free(&state, visit.doctor_id, &hours, slot).await?,
        )),
        moved => present_one(&state, moved?).await.map(Json),
    }
}

/// Rows are locked in the order in which a booking locks them.
async fn store(
    state: &AppState,
    caller: &Caller,
    seen: &Appointment,
    slot: Slot,
) -> Result<Appointment, Error> {
    let mut tx = state.pool.begin().await?;
    people::lock(&mut tx, seen.doctor_id).await?;
    people::lock(&mut tx, seen.patient_id).await?;
    let mut visit = appointments::find_locked(&mut tx, seen.id)
        .await?
        .ok_or(Error::NotFound)?;
    let act = visit
        .act(by(caller), state.core.clock.now())
        .ok_or(Error::NotFound)?;
    let Some(change) = visit.reschedule(act, slot)? else {
        return Ok(visit);
    };
    if appointments::doctor_is_taken(&mut tx, visit.doctor_id, &slot, Some(visit.id)).await? {
        return Err(Error::SlotTaken(Vec::new()));
    }
    if appointments::patient_is_busy(&mut tx, visit.patient_id, &slot, Some(visit.id)).await? {
        return Err(Error::PatientBusy);
    }
    appointments::update(&mut tx, &visit)
        .await
        .map_err(Error::collision)?;
    changes::record(&mut tx, &visit, &change).await?;
    tx.commit().await?;
    state.outbox.wake();
    Ok(visit)
}
