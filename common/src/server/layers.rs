//! The stack of layers, outermost last.

use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;

use crate::actuator::exchanges;
use crate::clock::Clock;
use crate::config::ServerSettings;
use crate::context::{REQUEST_ID, RequestContext};
use crate::problem::{Code, Problem};

/// Give `router` what every service has: limits, problems for what no route answers, context, log and metrics.
pub fn finish(router: Router, settings: &ServerSettings, clock: Clock) -> Router {
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(settings.body_limit))
        .layer(CatchPanicLayer::custom(|_| Problem::internal().into_response()))
        .layer(middleware::from_fn_with_state(clock, observe))
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
    )
    .detail("The Allow header says which methods this path takes.")
}

/// Serve the request in its context; then count it, log it and set the headers that every answer has.
async fn observe(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let context = RequestContext::from_headers(request.headers(), request.uri().path());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", |path| path.as_str())
        .into();
    let mut response = context.clone().scope(next.run(request)).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(REQUEST_ID), context.request_id.header());
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let elapsed = begun.elapsed();
    let seen = exchanges::Exchange {
        at: clock.now(),
        method,
        route,
        status,
        elapsed,
    };
    seen.count(response.extensions().get::<Code>().map(|code| code.0.as_str()));
    if !seen.is_probe() {
        tracing::info!(
            request_id = %context.request_id,
            method = %seen.method,
            route = %seen.route,
            status = status.as_u16(),
            elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        seen.remember();
    }
    response
}
