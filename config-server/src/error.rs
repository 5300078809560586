//! Every way in which a request can fail, and what the caller hears of it.

use axum::response::{IntoResponse, Response};
use common::bus::BusError;
use common::extract::Json;
use common::problem::Problem;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::domain::cipher::CipherError;
use crate::domain::environment::Broken;
use crate::domain::names::BadName;
use crate::domain::placeholder::Expansion;
use crate::store::ReadError;
use crate::store::repository::NoTree;

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// A name, profile, label or path that can name nothing.
    BadName(BadName),
    /// No credential, or a wrong one.
    Unauthorized,
    /// The credential is not for this.
    Forbidden(&'static str),
    /// No such label, file or view.
    NotFound,
    /// Nothing has been read yet.
    NotReady,
    /// A file that the answer needs is broken.
    Broken(Broken),
    /// The backend failed.
    Backend(ReadError),
    /// Placeholders without an end.
    Expansion,
    /// Encryption, in the words that Spring's clients know.
    Cipher(CipherError),
    /// There is no key that may be shown.
    NoPublicKey,
    /// The body of a request.
    Body(Box<Problem>),
    /// Too many notifications.
    TooMany,
    /// The change is served, but nobody could be told.
    Bus(BusError),
}

impl From<BadName> for Error {
    fn from(error: BadName) -> Self {
        Self::BadName(error)
    }
}

impl From<Broken> for Error {
    fn from(error: Broken) -> Self {
        Self::Broken(error)
    }
}

impl From<Expansion> for Error {
    fn from(_: Expansion) -> Self {
        Self::Expansion
    }
}

impl From<CipherError> for Error {
    fn from(error: CipherError) -> Self {
        Self::Cipher(error)
    }
}

impl From<NoTree> for Error {
    fn from(error: NoTree) -> Self {
        match error {
            NoTree::NotReady => Self::NotReady,
            NoTree::NoSuchLabel => Self::NotFound,
            NoTree::Failed(error) => Self::Backend(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Cipher(CipherError::NoKey) => {
                return spring(
                    StatusCode::NOT_FOUND,
                    "NO_KEY",
                    "No key was installed for encryption service",
                );
            }
            Self::Cipher(CipherError::Invalid) => {
                return spring(
                    StatusCode::BAD_REQUEST,
                    "INVALID",
                    "Text not encrypted with this key",
                );
            }
            Self::NoPublicKey => {
                return spring(StatusCode::NOT_FOUND, "NOT_FOUND", "No public key available");
            }
            Self::BadName(error) => Problem::bad_request(error.to_string()),
            Self::Unauthorized => Problem::unauthorized("send the name and the secret of a credential")
                .header(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"config\", charset=\"UTF-8\""),
                ),
            Self::Forbidden(detail) => Problem::forbidden("forbidden", detail),
            Self::NotFound => Problem::not_found(),
            Self::NotReady => Problem::unavailable("the files have not been read yet"),
            Self::Body(problem) => *problem,
            Self::Bus(error) => error.into(),
            Self::TooMany => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-notifications",
                "Too many notifications",
            )
            .retry_after(60),
            Self::Broken(Broken { path, reason }) => {
                let title = "A file cannot be read";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken-file", title)
                    .detail(format!("{path}: {reason}"))
            }
            Self::Expansion => {
                let title = "The placeholders in the answer have no end";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "endless-placeholders", title)
            }
            Self::Backend(ReadError::Broken(detail)) => {
                let title = "The change cannot be read; what was served before stays";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broken-change", title)
                    .detail(detail)
                    .retry_after(60)
            }
            Self::Backend(error) => {
                tracing::error!(%error, "the backend failed");
                Problem::unavailable("the files cannot be read at the moment")
            }
        };
        problem.into_response()
    }
}

fn spring(status: StatusCode, code: &str, description: &str) -> Response {
    (
        status,
        Json(json!({ "status": code, "description": description })),
    )
        .into_response()
}
