//! What can go wrong, and how it is answered: one enum, one table.

use axum::response::{IntoResponse, Response};
use common::extract::{too_large, unsupported_media_type};
use common::http::CallError;
use common::problem::{Checks, Problem};
use http::StatusCode;

use crate::crypto::Broken;
use crate::domain::access::Denial;
use crate::domain::media;
use crate::domain::record::Immovable;
use crate::store;

/// What the caller was after: decides whether a refusal may admit that the thing exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A patient's records as such.
    Patient,
    /// One record.
    Record,
}

/// Everything that ends a request early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Already in its outward form.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The access rules say no.
    #[error("denied: {0:?}")]
    Denied(Denial, Target),
    /// No such record of this patient.
    #[error("no such record")]
    NotFound,
    /// The record's state forbids it.
    #[error(transparent)]
    Immovable(#[from] Immovable),
    /// The file is not what may be stored.
    #[error(transparent)]
    Media(#[from] media::Refused),
    /// The scanner found something in the file.
    #[error("malware")]
    Malware,
    /// The scanner could not say what the file is.
    #[error("no verdict on the file")]
    NoVerdict,
    /// More bytes than a file may have.
    #[error("the file is too large")]
    FileTooLarge(u64),
    /// Too many at once.
    #[error("too many at once")]
    Busy,
    /// A step took too long.
    #[error("too slow")]
    Slow,
    /// What cannot be written into the access log does not happen.
    #[error("the access log cannot be written: {0}")]
    Unlogged(store::Error),
    /// Stored bytes do not verify.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// MongoDB.
    #[error(transparent)]
    Mongo(#[from] store::Error),
    /// Another service.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Error {
    /// 422 about one member.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        let mut checks = Checks::default();
        checks.refuse(pointer, detail);
        Self::Problem(checks.into_problem())
    }

    fn problem(self) -> Problem {
        match self {
            Self::Problem(problem) => problem,
            Self::Denied(denial, target) => denied(denial, target),
            Self::NotFound => Problem::not_found(),
            Self::Immovable(reason) => {
                Problem::conflict(code(reason), "The record cannot be changed").detail(reason.to_string())
            }
            Self::Media(refused @ media::Refused::TooManyPixels) => {
                Self::invalid("/file", refused.to_string()).problem()
            }
            Self::Media(refused) => unsupported_media_type(&refused.to_string()),
            Self::Malware => malware(),
            Self::NoVerdict => {
                Problem::unavailable("files cannot be scanned at the moment, so none are taken")
            }
            Self::FileTooLarge(limit) => too_large(format!("a file may have at most {limit} bytes")),
            Self::Busy => Problem::unavailable("too many at once; try again in a moment"),
            Self::Slow => {
                tracing::error!("a step took too long and was given up");
                Problem::unavailable("it took too long; try again in a moment")
            }
            Self::Unlogged(error) => {
                tracing::error!(alert = true, %error, "the access log cannot be written");
                Problem::unavailable("accesses cannot be logged at the moment, so none are given")
            }
            Self::Broken(error) => broken(error),
            Self::Mongo(error) => mongo(&error),
            Self::Call(error) => error.into(),
        }
    }
}

fn denied(denial: Denial, target: Target) -> Problem {
    match (denial, target) {
        (Denial::Role, _) => Problem::forbidden("role-not-allowed", "Your role may not do this."),
        (Denial::NotVerified, _) => Problem::forbidden(
            "doctor-not-verified",
            "Records are open to doctors whom an admin has verified.",
        ),
        (Denial::NotTheAuthor, _) => {
            Problem::forbidden("not-the-author", "Only its author amends or withdraws a record.")
        }
        (Denial::Unknown, _) => {
            Problem::unavailable("whether you treat this patient cannot be found out at the moment")
        }
        (Denial::NotThePatient | Denial::NoRelationship, Target::Record) => Problem::not_found(),
        (Denial::NotThePatient, Target::Patient) => {
            Problem::forbidden("no-treating-relationship", "These records are not yours.")
        }
        (Denial::NoRelationship, Target::Patient) => Problem::forbidden(
            "no-treating-relationship",
            "Nothing connects you with this patient. Access is given by an appointment (booked by the patient, or confirmed \
             or begun), by the patient's grant, or, for reading in an emergency, by the header X-Break-Glass with a reason.",
        ),
    }
}

fn malware() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "malware-found",
        "The file is refused",
    )
    .detail("the malware scanner recognised the file")
    .error("/file", "is malware")
}

fn code(reason: Immovable) -> &'static str {
    match reason {
        Immovable::NotTheHead => "not-the-latest-version",
        Immovable::Withdrawn => "record-withdrawn",
        Immovable::TooManyVersions => "too-many-versions",
    }
}

/// Somebody or something changed the stored bytes, or the key is gone: an operator must know at once.
fn broken(error: Broken) -> Problem {
    metrics::counter!("records_integrity_failures_total").increment(1);
    tracing::error!(alert = true, %error, "integrity failure: nothing was sent");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "integrity-failure",
        "The stored record does not verify",
    )
    .detail("What is stored is not what was written. Nothing was sent; the operators have been alerted.")
}

fn mongo(error: &store::Error) -> Problem {
    if store::is_away(error) {
        tracing::warn!(%error, "the record store is away");
        return Problem::unavailable("the record store is away at the moment");
    }
    tracing::error!(%error, "the record store refused");
    Problem::internal()
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}
