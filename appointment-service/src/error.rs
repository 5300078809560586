//! Everything that can go wrong, and what a client hears of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use common::http::CallError;
use common::mysql;
use common::problem::Problem;

use crate::domain::change::Refusal;
use crate::domain::schedule::Slot;
use crate::routes::slots::SlotView;

/// A request that is not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Already a problem document.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// Does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// Nobody of this id can be visited.
    #[error("no such doctor")]
    NoSuchDoctor,
    /// The doctor of this visit sees nobody any more.
    #[error("doctor gone")]
    DoctorGone,
    /// Nobody of this id can be booked for.
    #[error("no such patient")]
    NoSuchPatient,
    /// The doctor's time is gone; these are the next free ones.
    #[error("slot taken")]
    SlotTaken(Vec<Slot>),
    /// The patient is somewhere else at that time.
    #[error("patient busy")]
    PatientBusy,
    /// The patient has as many visits ahead as one may have.
    #[error("too many open bookings")]
    TooManyOpen(u32),
    /// The patient made as many bookings as one may make in a day.
    #[error("too many bookings")]
    TooManyMade(u32),
    /// The state of the visit does not allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The `Idempotency-Key` came with another request before.
    #[error("idempotency key reused")]
    KeyReused,
    /// The same request is being worked on.
    #[error("idempotency key in use")]
    KeyInUse,
    /// Another service did not answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The database refused or is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Our fault, or that of data we were given.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// A 422 about one member.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Problem(Problem::invalid(Vec::new()).error(pointer, detail))
    }

    /// What a violated unique key means: the locks should have told before.
    pub fn collision(error: sqlx::Error) -> Self {
        match mysql::violated_key(&error) {
            Some("doctor_start_taken") => Self::SlotTaken(Vec::new()),
            Some("patient_start_taken") => Self::PatientBusy,
            _ => error.into(),
        }
    }

    /// Doing the same again may succeed: a lost deadlock.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(error) if mysql::is_retryable(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => problem,
            Error::NotFound => Self::not_found(),
            Error::NoSuchDoctor => Self::not_found().detail("There is no such doctor."),
            Error::NoSuchPatient => Self::not_found().detail("There is no such patient."),
            Error::DoctorGone => {
                Self::conflict("doctor-unavailable", "This doctor sees nobody at the moment")
            }
            Error::SlotTaken(next_free) => {
                let next_free: Vec<SlotView> = next_free.iter().map(SlotView::from).collect();
                Self::conflict("slot-taken", "This time is taken")
                    .detail("Somebody else has it; next_free lists the doctor's next free times.")
                    .with("next_free", next_free)
            }
            Error::PatientBusy => {
                Self::conflict("patient-busy", "The patient has another visit at that time")
                    .detail("Choose another time, or move or cancel the other visit.")
            }
            Error::TooManyOpen(most) => Self::conflict("too-many-open-bookings", "Too many visits ahead")
                .detail(format!(
                    "a patient may have {most} visits ahead; cancel one first"
                )),
            Error::TooManyMade(most) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-bookings",
                "Too many bookings within a day",
            )
            .detail(format!("a patient may make {most} bookings within 24 hours"))
            .retry_after(3600),
            Error::Refused(refusal) => refused(&refusal),
            Error::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "This Idempotency-Key came with another request before",
            )
            .detail("Take a fresh key for another request."),
            Error::KeyInUse => Self::conflict(
                "idempotency-key-in-use",
                "The first request with this key is still running",
            )
            .detail("Its answer comes with the same key in a moment.")
            .retry_after(1),
            Error::Call(error) => error.into(),
            Error::Database(error) => mysql::problem(&error),
            Error::Internal(cause) => {
                tracing::error!(cause, "request failed");
                Self::internal()
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::NotForPatients => Problem::forbidden("role-not-allowed", refusal.to_string()),
        Refusal::WindowClosed { until } => {
            let until = until.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            Problem::conflict(
                "cancellation-window-closed",
                "Too late to cancel or move this visit online",
            )
            .detail("Please call the doctor's office.")
            .with("cancellable_until", until)
        }
        Refusal::InvalidTransition { .. } | Refusal::Begun { .. } | Refusal::NotBegun => {
            Problem::conflict("invalid-transition", "The visit's state does not allow this")
                .detail(refusal.to_string())
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
