//! No request waits for ever: a server that holds its breath is answered for.

use std::future::Future;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::AppState;
use crate::error::Error;

/// How long one step with the database or a neighbour may take before the caller is told to come back.
#[derive(Debug, Clone, Copy)]
pub struct Patience(Duration);

impl Patience {
    /// So many milliseconds.
    pub fn ms(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// Do `work`, but not for ever.
    pub async fn with<T, E>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, Error>
    where
        Error: From<E>,
    {
        match tokio::time::timeout(self.0, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Error::Slow),
        }
    }
}

/// For requests that are one step.
pub async fn request(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let answered = app
        .patience()
        .with(async { Ok::<_, Error>(next.run(request).await) });
    answered.await.unwrap_or_else(IntoResponse::into_response)
}
