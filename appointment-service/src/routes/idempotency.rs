//! Requests that a client may send twice: the header, the answer kept, the answer repeated.

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::problem::{self, Problem};

use crate::AppState;
use crate::domain::idempotency::{InvalidKey, Key};
use crate::error::Error;
use crate::store::idempotency_keys::{self, Answer, Attempt, Claim, Keyed, Terms};

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The `Idempotency-Key` that the client sent, if any.
pub struct SentKey(pub Option<Key>);

impl<S: Send + Sync> FromRequestParts<S> for SentKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().map_err(|_| InvalidKey).and_then(str::parse),
            (Some(_), Some(_)) => Err(InvalidKey),
        };
        key.map(|key| Self(Some(key)))
            .map_err(|error| Problem::bad_request(format!("Idempotency-Key {error}")))
    }
}

/// Do `work` unless the request was answered before. `work` keeps its answer in the transaction that makes it true
/// ([`idempotency_keys::complete`]).
pub async fn once<W, F>(state: &AppState, request: Keyed, work: W) -> Result<Response, Error>
where
    W: FnOnce(Attempt) -> F,
    F: Future<Output = Result<Answer, Error>>,
{
    let settings = state.settings.current();
    let terms = Terms {
        now: state.core.clock.now(),
        lease: settings.idempotency.lease(),
        keep: settings.idempotency.keep(),
    };
    let attempt = match idempotency_keys::claim(&state.pool, request, terms).await? {
        Claim::Ours(attempt) => attempt,
        Claim::Answered(answer) => return Ok(([(REPLAYED, "true")], answer).into_response()),
        Claim::Running => return Err(Error::KeyInUse),
        Claim::OtherBody => return Err(Error::KeyReused),
    };
    match work(attempt.clone()).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) => {
            let problem = Problem::from(error);
            if let Err(error) = settle(state, &attempt, &problem).await {
                // The lease ends by itself.
                tracing::warn!(%error, "the key of a refused request was not settled");
            }
            Err(problem.into())
        }
    }
}

/// A refusal is an answer like any other and is kept; what may go well next time is not.
async fn settle(state: &AppState, attempt: &Attempt, problem: &Problem) -> Result<(), Error> {
    let connection = &mut *state.pool.acquire().await?;
    let status = problem.status();
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        let answer = Answer {
            status: status.as_u16(),
            location: None,
            body: serde_json::to_string(&problem.document()).unwrap_or_default(),
        };
        idempotency_keys::complete(connection, attempt, &answer).await?;
    } else {
        idempotency_keys::release(connection, attempt).await?;
    }
    Ok(())
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media_type = if status.is_client_error() {
            problem::MEDIA_TYPE
        } else {
            "application/json"
        };
        let mut response = (status, [(header::CONTENT_TYPE, media_type)], self.body).into_response();
        if let Some(location) = self
            .location
            .and_then(|location| HeaderValue::try_from(location).ok())
        {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
