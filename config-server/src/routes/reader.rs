//! Who asks, by HTTP Basic or by a signature that was checked before.

use axum::extract::FromRequestParts;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::request::Parts;
use http::{HeaderMap, header};

use crate::AppState;
use crate::domain::access::Reader;
use crate::error::Error;

impl FromRequestParts<AppState> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        if let Some(reader) = parts.extensions.get::<Self>() {
            return Ok(reader.clone());
        }
        let Some((name, secret)) = basic(&parts.headers) else {
            return Err(Error::Unauthorized);
        };
        state.credentials.reader(&name, &secret).ok_or_else(|| {
            tracing::warn!(path = parts.uri.path(), "a wrong credential was refused");
            Error::Unauthorized
        })
    }
}

/// A reader who may do everything.
pub(crate) struct Admin;

impl FromRequestParts<AppState> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let reader = Reader::from_request_parts(parts, state).await?;
        if reader.is_admin() {
            Ok(Self)
        } else {
            Err(Error::Forbidden("this needs the admin credential"))
        }
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let decoded = BASE64_STANDARD
        .decode(token.trim())
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}
