//! Answers in the form that was asked for.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::listing::{self, Form};

const VARY: &str = "accept, accept-encoding, x-eureka-accept";

/// `body`, written for one reader, compressed if it wants that.
pub(super) fn fresh(form: Form, body: Vec<u8>) -> Response {
    let body = if form.gzip { listing::gzip(&body) } else { body };
    written(form, body.into()).into_response()
}

/// A body kept for many readers; not sent to one that has it already.
pub(super) fn kept(form: Form, (body, tag): (Bytes, String), asked: &HeaderMap) -> Response {
    let has_it = asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        written(form, body)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn written(form: Form, body: Bytes) -> Response {
    let mut response = ([(header::CONTENT_TYPE, form.format.media_type())], body).into_response();
    if form.gzip {
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
