//! Cancelling, confirming, completing, and noting that nobody came.

use axum::extract::State;
use common::auth::Caller;
use common::extract::Json;
use common::ids::AppointmentId;
use common::mysql;
use common::problem::Checks;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AppointmentView, by, present_one};
use crate::AppState;
use crate::domain::appointment::{Act, Appointment};
use crate::domain::change::{Change, Refusal};
use crate::domain::text::Reason;
use crate::error::Error;
use crate::store::{appointments, changes};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    appointment_id: AppointmentId,
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    appointment_id: AppointmentId,
}

/// Cancel a visit. Repeating it changes nothing.
#[utoipa::path(put, path = "/appointments/cancel", tag = "appointments", request_body = CancelRequest,
    responses((status = 200, body = AppointmentView), (status = 404),
        (status = 409, description = "invalid-transition, cancellation-window-closed"), (status = 422)))]
pub async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<CancelRequest>,
) -> Result<Json<AppointmentView>, Error> {
    let mut checks = Checks::default();
    let reason = checks
        .take("/reason", Reason::parse_optional(request.reason.as_deref()))
        .flatten();
    checks.finish()?;
    let reason = reason.map(Reason::into_string);
    change(&state, &caller, request.appointment_id, |visit, act| {
        visit.cancel(act, reason.clone())
    })
    .await
}

/// Confirm a visit: its doctor or an administrator promises it. Its patient confirms one that the doctor made.
#[utoipa::path(put, path = "/appointments/confirm", tag = "appointments", request_body = StepRequest,
    responses((status = 200, body = AppointmentView), (status = 403), (status = 404),
        (status = 409, description = "invalid-transition")))]
pub async fn confirm(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<StepRequest>,
) -> Result<Json<AppointmentView>, Error> {
    change(&state, &caller, request.appointment_id, Appointment::confirm).await
}

/// The visit took place.
#[utoipa::path(put, path = "/appointments/complete", tag = "appointments", request_body = StepRequest,
    responses((status = 200, body = AppointmentView), (status = 403), (status = 404),
        (status = 409, description = "invalid-transition")))]
pub async fn complete(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<StepRequest>,
) -> Result<Json<AppointmentView>, Error> {
    change(&state, &caller, request.appointment_id, Appointment::complete).await
}

/// The patient did not come.
#[utoipa::path(put, path = "/appointments/no-show", tag = "appointments", request_body = StepRequest,
    responses((status = 200, body = AppointmentView), (status = 403), (status = 404),
        (status = 409, description = "invalid-transition")))]
pub async fn no_show(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<StepRequest>,
) -> Result<Json<AppointmentView>, Error> {
    change(&state, &caller, request.appointment_id, Appointment::no_show).await
}

async fn change(
    state: &AppState,
    caller: &Caller,
    id: AppointmentId,
    step: impl Fn(&mut Appointment, Act) -> Result<Option<Change>, Refusal>,
) -> Result<Json<AppointmentView>, Error> {
    let visit = mysql::retry(Error::is_retryable, || async {
        let mut tx = state.pool.begin().await?;
        let mut visit = appointments::find_locked(&mut tx, id)
            .await?
            .ok_or(Error::NotFound)?;
        let act = visit
            .act(by(caller), state.core.clock.now())
            .ok_or(Error::NotFound)?;
        if let Some(change) = step(&mut visit, act)? {
            appointments::update(&mut tx, &visit).await?;
            changes::record(&mut tx, &visit, &change).await?;
            tx.commit().await?;
            state.outbox.wake();
        }
        Ok(visit)
    })
    .await?;
    present_one(state, visit).await.map(Json)
}
