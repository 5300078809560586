//! Everything that can go wrong, and what a client hears of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::http::CallError;
use common::mysql;
use common::problem::Problem;

use crate::domain::channel::Channel;

/// A request that is not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Already a problem document.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// Does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// The recipient has no address for this channel.
    #[error("no address for {0}")]
    NoAddress(Channel),
    /// Only what failed can be sent again.
    #[error("not failed")]
    NotFailed,
    /// A webhook whose signature does not verify.
    #[error("bad signature")]
    BadSignature,
    /// Another service did not answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The database refused or is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => problem,
            Error::NotFound => Self::not_found(),
            Error::NoAddress(channel) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no-address",
                "The recipient cannot be reached this way",
            )
            .detail(format!("no address for {channel} is known"))
            .error("/channel", "the recipient has no address for it"),
            Error::NotFailed => Self::conflict(
                "invalid-transition",
                "Only a failed notification can be sent again",
            ),
            Error::BadSignature => {
                Self::forbidden("bad-signature", "the provider's signature does not verify")
            }
            Error::Call(error) => error.into(),
            Error::Database(error) => mysql::problem(&error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
