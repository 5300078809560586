//! Booking a visit.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use common::auth::{Caller, Role};
use common::extract::Json;
use common::ids::UserId;
use common::mysql;
use common::problem::{Checks, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppointmentView, by};
use crate::config::BookingSettings;
use crate::domain::appointment::{Appointment, Booking};
use crate::domain::idempotency::fingerprint;
use crate::domain::schedule::wire::{parse_date, parse_time};
use crate::domain::schedule::{Hours, Slot};
use crate::domain::text::Reason;
use crate::error::Error;
use crate::routes::idempotency::{SentKey, once};
use crate::routes::slots::next_free;
use crate::store::appointments::Load;
use crate::store::idempotency_keys::{Answer, Attempt, Keyed, complete};
use crate::store::{appointments, changes, people};
use crate::{AppState, directory};

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingRequest {
    doctor_id: UserId,
    /// As a slot gives it: `YYYY-MM-DD` on the doctor's wall.
    #[schema(example = "2027-03-29")]
    date: String,
    /// As a slot gives it: `HH:MM` on the doctor's wall.
    #[schema(example = "09:30")]
    time: String,
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// Whom the visit is for; needed from doctors and administrators.
    patient_id: Option<UserId>,
}

/// A booking request that makes sense and comes from somebody who may make it.
struct Wish {
    patient: UserId,
    doctor: UserId,
    date: NaiveDate,
    time: NaiveTime,
    reason: Option<String>,
}

/// Book a visit.
#[utoipa::path(post, path = "/appointments", tag = "appointments", request_body = BookingRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats the first answer for the same body")),
    responses((status = 201, body = AppointmentView), (status = 404, description = "No such doctor or patient"),
        (status = 409, description = "slot-taken with next_free, patient-busy, too-many-open-bookings"), (status = 422)))]
pub async fn book(
    State(state): State<AppState>,
    caller: Caller,
    SentKey(key): SentKey,
    Json(request): Json<BookingRequest>,
) -> Result<Response, Error> {
    let wish = request.read(&caller)?;
    match key {
        None => Ok(fulfil(&state, &caller, &wish, None).await?.into_response()),
        Some(key) => {
            let keyed = Keyed {
                caller: caller.id,
                key,
                body_hash: fingerprint(&request),
            };
            once(&state, keyed, |attempt| async {
                fulfil(&state, &caller, &wish, Some(attempt)).await
            })
            .await
        }
    }
}

impl BookingRequest {
    fn read(&self, caller: &Caller) -> Result<Wish, Problem> {
        let mut checks = Checks::default();
        let patient = match (caller.role, self.patient_id) {
            (Role::Patient, Some(other)) if !caller.is(other) => {
                return Err(Problem::forbidden(
                    "role-not-allowed",
                    "patients book for themselves only",
                ));
            }
            (Role::Doctor, _) if !caller.is(self.doctor_id) => {
                return Err(Problem::forbidden(
                    "role-not-allowed",
                    "doctors book into their own calendar only",
                ));
            }
            (Role::Patient, _) => Some(caller.id),
            (Role::Doctor | Role::Admin, patient) => checks.take("/patient_id", patient.ok_or("is needed")),
        };
        let date = checks.take("/date", parse_date(&self.date));
        let time = checks.take("/time", parse_time(&self.time));
        let reason = checks.take("/reason", Reason::parse_optional(self.reason.as_deref()));
        match (patient, date, time, reason) {
            (Some(patient), Some(date), Some(time), Some(reason)) => Ok(Wish {
                patient,
                doctor: self.doctor_id,
                date,
                time,
                reason: reason.map(Reason::into_string),
            }),
            _ => Err(checks.into_problem()),
        }
    }
}

/// The slot at `date` and `time`, if it can be booked at `now`.
pub fn bookable(
    hours: &Hours,
    (date, time): (NaiveDate, NaiveTime),
    now: DateTime<Utc>,
    settings: &BookingSettings,
) -> Result<Slot, Error> {
    let today = now.with_timezone(&hours.zone).date_naive();
    if date < today {
        return Err(Error::invalid("/date", "is in the past"));
    }
    if date > today + Days::new(settings.horizon_days.into()) {
        return Err(Error::invalid(
            "/date",
            format!("is more than {} days ahead", settings.horizon_days),
        ));
    }
    let slot = hours
        .slot_at(date, time)
        .map_err(|refusal| Error::invalid("/time", refusal.to_string()))?;
    if slot.start <= now {
        return Err(Error::invalid("/time", "is in the past"));
    }
    Ok(slot)
}

async fn fulfil(
    state: &AppState,
    caller: &Caller,
    wish: &Wish,
    attempt: Option<Attempt>,
) -> Result<Answer, Error> {
    let (doctor, hours, patient) =
        directory::doctor_and_patient(&state.users, wish.doctor, wish.patient).await?;
    let now = state.core.clock.now();
    let settings = state.settings.current();
    let slot = bookable(&hours, (wish.date, wish.time), now, &settings.booking)?;
    state.names.remember(&[&doctor, &patient]).await?;
    let booking = Booking {
        patient_id: patient.id,
        doctor_id: doctor.id,
        slot,
        reason: wish.reason.clone(),
        notice: settings.booking.notice(),
        by: by(caller),
        at: now,
    };
    let names = HashMap::from([(doctor.id, doctor.name), (patient.id, patient.name)]);
    let stored = mysql::retry(Error::is_retryable, || {
        store(state, &booking, &names, attempt.as_ref())
    })
    .await;
    match stored {
        Err(Error::SlotTaken(_)) => Err(Error::SlotTaken(
            next_free(state, wish.doctor, &hours, slot).await?,
        )),
        other => other,
    }
}

/// The booking itself. The doctor's row is locked before anything is read, then the patient's; so bookings of one
/// calendar come one after the other and see each other. The unique keys stand behind that.
async fn store(
    state: &AppState,
    booking: &Booking,
    names: &HashMap<UserId, String>,
    attempt: Option<&Attempt>,
) -> Result<Answer, Error> {
    let mut tx = state.pool.begin().await?;
    people::lock(&mut tx, booking.doctor_id).await?;
    people::lock(&mut tx, booking.patient_id).await?;
    if appointments::doctor_is_taken(&mut tx, booking.doctor_id, &booking.slot, None).await? {
        return Err(Error::SlotTaken(Vec::new()));
    }
    if appointments::patient_is_busy(&mut tx, booking.patient_id, &booking.slot, None).await? {
        return Err(Error::PatientBusy);
    }
    // What doctors and the desk arrange is theirs to judge.
    if booking.by.role == Role::Patient {
        let load = appointments::load(&mut tx, booking.patient_id, booking.at).await?;
        within_caps(load, &state.settings.current().booking)?;
    }

    let (visit, change) = Appointment::book(booking.clone());
    appointments::insert(&mut tx, &visit)
        .await
        .map_err(Error::collision)?;
    changes::record(&mut tx, &visit, &change).await?;
    let answer = created(&visit, names)?;
    if let Some(attempt) = attempt
        && !complete(&mut tx, attempt, &answer).await?
    {
        return Err(Error::KeyInUse);
    }
    tx.commit().await?;
    state.outbox.wake();
    Ok(answer)
}

/// How many visits a patient may take for themselves.
fn within_caps(load: Load, settings: &BookingSettings) -> Result<(), Error> {
    if load.open >= settings.open_per_patient.into() {
        return Err(Error::TooManyOpen(settings.open_per_patient));
    }
    if load.made_today >= settings.made_per_day.into() {
        return Err(Error::TooManyMade(settings.made_per_day));
    }
    Ok(())
}

fn created(visit: &Appointment, names: &HashMap<UserId, String>) -> Result<Answer, Error> {
    let body = serde_json::to_string(&AppointmentView::new(visit, names))
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Answer {
        status: 201,
        location: Some(format!("/appointments/{}", visit.id)),
        body,
    })
}
