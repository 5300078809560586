//! Services that ask with a signature instead of their secret, and get a signed answer.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::config::signature::{Question, SCHEME, SIGNATURE};
use http::{HeaderValue, header};

use crate::AppState;
use crate::error::Error;

/// More than the largest answer: the files of one label have a limit.
const LARGEST_ANSWER: usize = 64 << 20;

/// Check the question, let it be answered as that of a reader who is known, and sign the answer. Requests with another
/// credential pass.
pub(super) async fn sign(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).cloned();
    let Some(sent) = sent.as_ref().and_then(|value| value.to_str().ok()) else {
        return next.run(request).await;
    };
    if !sent.starts_with(SCHEME) {
        return next.run(request).await;
    }
    let path = request.uri().path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    let asked = Question::parse(sent, state.clock.now());
    let known = asked.and_then(|(question, tag)| {
        let (reader, key) = state.credentials.signer(&question.name)?;
        key.knows(&question, &path, tag)
            .then_some((question, reader, key))
    });
    let Some((question, reader, key)) = known else {
        tracing::warn!(path = request.uri().path(), "a wrong signature was refused");
        return Error::Unauthorized.into_response();
    };
    request.extensions_mut().insert(reader);
    let (mut head, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_ANSWER).await else {
        return Error::NotReady.into_response();
    };
    let tag = key.sign(&question, (head.status.as_u16(), &path), &body);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.headers.insert(SIGNATURE, tag);
    }
    Response::from_parts(head, Body::from(body))
}
