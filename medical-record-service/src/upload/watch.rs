//! What arrives and what comes out of it: errors of the form in the words of this service.

use axum::body::Body;
use axum::extract::Request;
use axum::extract::multipart::{Field, MultipartError};
use bytes::Bytes;
use common::extract::too_large;
use common::problem::Problem;
use http::{HeaderMap, StatusCode, header};

use super::body::{Cut, Limits, Shared, guard};
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

/// A body that says it is too large is refused unread, if the client waits to be told.
pub fn refuse_announced_excess(headers: &HeaderMap, most: u64, limit: u64) -> Result<(), Error> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let waits = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get(header::EXPECT).is_some_and(waits) && announced.is_some_and(|length| length > most) {
        return Err(Error::FileTooLarge(limit));
    }
    Ok(())
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "upload-too-slow",
        "The upload was too slow",
    )
    .detail("nothing came for too long, or it took too long in all")
}
