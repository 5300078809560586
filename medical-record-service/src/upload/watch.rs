//! What arrives and what comes out of it: errors of the form in the words of this service.

use axum::body::Body;
use axum::extract::Request;
use axum::extract::multipart::{Field, MultipartError};
use bytes::Bytes;
use common::extract::too_large;
use common::problem::Problem;
use http::{HeaderMap, StatusCode, header};

use super::body::{Cut, Limits, Shared, discard, guard};
use crate::error::Error;

/// Watches one form being received.
pub struct Watch {
    shared: Shared,
    limit: u64,
}

impl Watch {
    /// Put a guard before the request's body. `limit` is what is said of a file that is too large.
    pub fn over(request: Request, limits: Limits, limit: u64) -> (Request, Self) {
        let (parts, body) = request.into_parts();
        let (stream, shared) = guard(body, limits);
        (
            Request::from_parts(parts, Body::from_stream(stream)),
            Self { shared, limit },
        )
    }

    /// Bytes that a file may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Content came out of the form.
    pub fn content(&self) {
        self.shared.content();
    }

    /// The next piece of a part.
    pub async fn chunk(&self, part: &mut Field<'_>) -> Result<Option<Bytes>, Error> {
        let piece = part.chunk().await.map_err(|error| self.refusal(&error))?;
        self.content();
        Ok(piece)
    }

    /// Why the form cannot be read.
    pub fn refusal(&self, error: &MultipartError) -> Error {
        match self.shared.cut() {
            Some(Cut::TooLarge) => Error::FileTooLarge(self.limit),
            Some(Cut::Overhead) => {
                too_large("the form has more around its contents than any form needs").into()
            }
            Some(Cut::TooSlow) => too_slow().into(),
            Some(Cut::Ended) | None => {
                Problem::bad_request(format!("not a form: {}", error.body_text())).into()
            }
        }
    }

    /// Let a client that still sends come to its end, so that it hears the answer.
    pub async fn drain(&self) {
        if !matches!(self.shared.cut(), Some(Cut::Ended | Cut::TooSlow)) {
            self.shared.drain().await;
        }
    }
}

/// The answer to a request whose body is not wanted. What is already on its way is let in and dropped, since a
/// client that is still sending may never read its answer; one that waits to be told is told.
pub async fn unread(request: Request, error: Error) -> Error {
    if !waits(request.headers()) {
        discard(&mut request.into_body().into_data_stream()).await;
    }
    error
}

/// The client sends nothing before it is told to.
pub fn waits(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// How long the body says it is.
pub fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "upload-too-slow",
        "The upload was too slow",
    )
    .detail("nothing came for too long, or it took too long in all")
}
