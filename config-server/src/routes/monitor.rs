//! Push notifications of git hosts: read the backend now instead of at the next look.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, State};
use chrono::{DateTime, TimeDelta, Utc};
use common::bus::{Bus, BusError, Destination};
use common::clock::Clock;
use common::extract::{Json, parse_json, too_large};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::form_urlencoded;

use super::reader::Admin;
use crate::AppState;
use crate::domain::notification::{self, EVENT_HEADERS};
use crate::error::Error;

/// Headers in which hosts send an HMAC-SHA256 of the body, in hex.
const SIGNATURES: [&str; 3] = ["x-hub-signature-256", "x-gitea-signature", "x-gogs-signature"];
/// Bitbucket's, which names its algorithm. GitHub sends a SHA-1 under this name, which is no proof.
const NAMED_SIGNATURE: &str = "x-hub-signature";
const SHA256: &[u8] = b"sha256=";
/// A change of more applications than this is everybody's.
const MOST_DESTINATIONS: usize = 16;
/// Headers in which hosts send the secret itself.
const TOKENS: [&str; 2] = ["x-gitlab-token", "x-gitee-token"];

/// Something has changed. Answers with the applications that it may concern, `*` stands for all, and has those that run
/// read their settings again.
#[utoipa::path(
    post,
    path = "/monitor",
    request_body = String,
    responses((status = 200, body = Vec<String>), (status = 400), (status = 401), (status = 403), (status = 413), (status = 429), (status = 503))
)]
pub(super) async fn notify(
    State(state): State<AppState>,
    mut parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<String>>, Error> {
    let body = body.map_err(|_| Error::Body(Box::new(too_large("the body is too large or ends early"))))?;
    if !is_signed(&state, &parts.headers, &body) {
        Admin::from_request_parts(&mut parts, &state).await?;
    }
    let paths = paths(&parts.headers, &body)?;
    if !state.pace.take() {
        return Err(Error::TooMany);
    }
    state.repository.refresh().await.map_err(Error::Backend)?;
    let mut applications: Vec<String> = Vec::new();
    for name in paths.iter().flat_map(|path| notification::applications(path)) {
        if !applications.contains(&name) {
            applications.push(name);
        }
    }
    tracing::info!(?applications, "told of a change");
    broadcast(&state.bus, &applications).await?;
    Ok(Json(applications))
}

/// Where there is no bus, services are told in another way. Where there is one that takes nothing, the git host hears of
/// it and tells again.
async fn broadcast(bus: &Bus, applications: &[String]) -> Result<(), Error> {
    let everyone = applications.len() > MOST_DESTINATIONS || applications.iter().any(|name| name == "*");
    // A file whose name can be no service's concerns nobody.
    let named = applications.iter().filter_map(|name| name.parse().ok());
    let destinations: Vec<Destination> = if everyone {
        vec![Destination::everyone()]
    } else {
        named.collect()
    };
    for destination in destinations {
        match bus.refresh(destination).await {
            Ok(()) => {}
            Err(BusError::None) => return Ok(()),
            Err(error) => return Err(Error::Bus(error)),
        }
    }
    Ok(())
}

fn is_signed(state: &AppState, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(secret) = &state.monitor_secret else {
        return false;
    };
    let secret = secret.expose_secret().as_bytes();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let sent = |name: &&str| headers.get(*name).map(HeaderValue::as_bytes);
    let plain = SIGNATURES.iter().filter_map(sent);
    let digits = plain.map(|signature| signature.strip_prefix(SHA256).unwrap_or(signature));
    let named = sent(&NAMED_SIGNATURE).and_then(|signature| signature.strip_prefix(SHA256));
    let signed = digits
        .chain(named)
        .any(|digits| hex::decode(digits).is_ok_and(|tag| hmac::verify(&key, body, &tag).is_ok()));
    signed
        || TOKENS
            .iter()
            .filter_map(sent)
            .any(|token| verify_slices_are_equal(token, secret).is_ok())
}

/// The files that the notification names: a host's JSON, `{"path": …}`, or a form with `path`.
fn paths(headers: &HeaderMap, body: &[u8]) -> Result<Vec<String>, Error> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if text(header::CONTENT_TYPE.as_str()).starts_with("application/x-www-form-urlencoded") {
        let named = form_urlencoded::parse(body).filter(|(name, _)| name == "path");
        return Ok(named.map(|(_, path)| path.into_owned()).collect());
    }
    let body: Value = parse_json(body).map_err(|problem| Error::Body(Box::new(problem)))?;
    let event = EVENT_HEADERS
        .iter()
        .find(|(header, values, _)| values.contains(&text(header)));
    Ok(match (event, &body["path"]) {
        (Some((_, _, event)), _) => notification::paths(*event, &body),
        (None, Value::String(path)) => vec![path.clone()],
        (None, Value::Array(paths)) => paths
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        (None, _) => Vec::new(),
    })
}

/// How many notifications are acted upon in a minute.
pub(crate) struct Pace {
    per_minute: u32,
    clock: Clock,
    /// When the minute began, and how many came in it.
    window: Mutex<(DateTime<Utc>, u32)>,
}

impl Pace {
    pub(crate) fn new(per_minute: u32, clock: Clock) -> Self {
        Self {
            per_minute,
            window: Mutex::new((clock.now(), 0)),
            clock,
        }
    }

    /// May one more be acted upon now?
    fn take(&self) -> bool {
        let now = self.clock.now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now - window.0 >= TimeDelta::minutes(1) {
            *window = (now, 0);
        }
        window.1 += 1;
        window.1 <= self.per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_room_for_so_many() {
        let clock = Clock::fixed(DateTime::UNIX_EPOCH);
        let pace = Pace::new(2, clock.clone());
        assert_eq!([pace.take(), pace.take(), pace.take()], [true, true, false]);
        clock.advance(TimeDelta::seconds(59));
        assert!(!pace.take());
        clock.advance(TimeDelta::seconds(1));
        assert!(pace.take());
    }
}
