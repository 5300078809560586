//! No request waits for ever: a server that holds its breath is answered for.

use std::future::Future;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::Error;

/// How long one step with the database or a neighbour may take before the caller is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Do `work`, but not for ever.
pub async fn bounded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or(Err(Error::Slow))
}

/// For requests that are one step.
pub async fn request(request: Request, next: Next) -> Response {
    let answered = bounded(async { Ok(next.run(request).await) });
    answered.await.unwrap_or_else(IntoResponse::into_response)
}
