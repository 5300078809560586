//! Making and reading `{cipher}` values: for the admin credential only.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use common::extract::{Json, Path, too_large};
use common::problem::Problem;
use http::{HeaderMap, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::environment::NO_STORE;
use super::reader::Admin;
use crate::AppState;
use crate::domain::access::Reader;
use crate::domain::cipher::{CipherError, SHARED};
use crate::domain::names::Target;
use crate::error::Error;

/// There is no public key: secrets are sealed with a symmetric one.
#[utoipa::path(get, path = "/key", responses((status = 401), (status = 404, description = "Always")))]
pub(super) async fn key(_: Reader) -> Error {
    Error::NoPublicKey
}

/// Can secrets be encrypted?
#[utoipa::path(get, path = "/encrypt/status", responses((status = 200), (status = 401), (status = 404, description = "No key")))]
pub(super) async fn status(State(state): State<AppState>, _: Reader) -> Result<Json<Value>, Error> {
    if state.keyring.is_ready() {
        Ok(Json(json!({ "status": "OK" })))
    } else {
        Err(CipherError::NoKey.into())
    }
}

/// Encrypt a text for every application's files.
#[utoipa::path(
    post,
    path = "/encrypt",
    request_body = String,
    responses((status = 200, body = String), (status = 401), (status = 403), (status = 404, description = "No key"))
)]
pub(super) async fn encrypt(
    State(state): State<AppState>,
    _: Admin,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let text = text(&headers, body)?;
    Ok(plain(state.keyring.encrypt(SHARED, &text)?))
}

/// Encrypt a text that only this application's files may hold.
#[utoipa::path(
    post,
    path = "/encrypt/{name}/{profiles}",
    params(("name",), ("profiles", description = "Of no consequence")),
    request_body = String,
    responses((status = 200, body = String), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn encrypt_for(
    State(state): State<AppState>,
    _: Admin,
    Path((name, profiles)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let scope = Target::parse(&name, &profiles, None)?.name;
    let text = text(&headers, body)?;
    Ok(plain(state.keyring.encrypt(&scope, &text)?))
}

/// Decrypt a value of either format.
#[utoipa::path(
    post,
    path = "/decrypt",
    request_body = String,
    responses((status = 200, body = String), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn decrypt(
    State(state): State<AppState>,
    _: Admin,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let value = text(&headers, body)?.replace(' ', "+");
    Ok(plain(state.keyring.decrypt(None, &value)?))
}

/// Decrypt a value as it would be in this application's files.
#[utoipa::path(
    post,
    path = "/decrypt/{name}/{profiles}",
    params(("name",), ("profiles",)),
    request_body = String,
    responses((status = 200, body = String), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn decrypt_for(
    State(state): State<AppState>,
    _: Admin,
    Path((name, profiles)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let owner = Target::parse(&name, &profiles, None)?.name;
    let value = text(&headers, body)?.replace(' ', "+");
    Ok(plain(state.keyring.decrypt(Some(&owner), &value)?))
}

/// The text in the body. Sent as a form, as `curl -d` does, it is percent-encoded and may have a stray `=` at its end.
fn text(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<String, Error> {
    let refuse = |problem| Error::Body(Box::new(problem));
    let body = body.map_err(|_| refuse(too_large("the body is too large or ends early")))?;
    let text =
        String::from_utf8(body.into()).map_err(|_| refuse(Problem::bad_request("the body is not UTF-8")))?;
    if text.is_empty() {
        return Err(refuse(Problem::bad_request("the body is empty")));
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !media_type.starts_with("application/x-www-form-urlencoded") {
        return Ok(text);
    }
    let whole = text
        .strip_suffix('=')
        .unwrap_or(&text)
        .replace('=', "%3D")
        .replace('&', "%26");
    Ok(form_urlencoded::parse(whole.as_bytes())
        .map(|(text, _)| text.into_owned())
        .collect())
}

fn plain(text: String) -> Response {
    (
        ([NO_STORE, (header::CONTENT_TYPE, "text/plain;charset=UTF-8")]),
        text,
    )
        .into_response()
}
