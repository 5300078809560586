//! Who may look behind health and info.

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;
use http::request::Parts;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::Actuator;
use crate::auth::Admin;
use crate::problem::Problem;

/// An ADMIN, or whoever holds this service's own credential (HTTP Basic `name:secret`).
pub struct Operator;

impl FromRequestParts<Actuator> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, actuator: &Actuator) -> Result<Self, Problem> {
        if holds_credential(parts, actuator) {
            return Ok(Self);
        }
        Admin::from_request_parts(parts, actuator).await.map(|_| Self)
    }
}

fn holds_credential(parts: &Parts, actuator: &Actuator) -> bool {
    let Some(secret) = &actuator.0.secret else {
        return false;
    };
    let Some(sent) = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let Some(sent) = sent
        .strip_prefix("Basic ")
        .and_then(|text| STANDARD.decode(text).ok())
    else {
        return false;
    };
    let good = format!("{}:{}", actuator.0.name, secret.expose_secret());
    good.as_bytes().ct_eq(&sent).into()
}
