//! Pages for people.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use common::problem::Problem;
use http::{HeaderName, HeaderValue, header};

use super::caller::Reader;
use crate::{AppState, dashboard};

/// Nothing from anywhere else, and nothing inline: a name that got past every check still could not act.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(super) async fn overview(State(state): State<AppState>, _: Reader) -> Response {
    page(dashboard::overview(&state))
}

pub(super) async fn journal(State(state): State<AppState>, _: Reader) -> Response {
    page(dashboard::journal(&state))
}

pub(super) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../templates/dashboard.css"),
    )
}

pub(super) async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("../../templates/dashboard.js"),
    )
}

fn page(rendered: askama::Result<String>) -> Response {
    let html = match rendered {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "page cannot be written");
            return Problem::internal().into_response();
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            HeaderName::from_static("x-frame-options"),
            HeaderValue::from_static("DENY"),
        ),
    ];
    (headers, Html(html)).into_response()
}
