use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri};
use common::ids::NotificationId;
use secrecy::ExposeSecret;
use url::form_urlencoded;

use super::{signature, whole};
use crate::AppState;
use crate::domain::address::is_e164;
use crate::domain::status::Report;
use crate::error::Error;
use crate::store::provider_events::{self, ProviderEvent};
use crate::store::{ledger, opt_outs};

const SIGNATURE: &str = "x-twilio-signature";
/// The whole message and nothing else: `STOP 12345` is somebody writing to somebody.
const STOP: [&str; 8] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
];
const START: [&str; 3] = ["START", "UNSTOP", "YES"];

/// The fields of a form that Twilio signed.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// What became of an SMS.
#[utoipa::path(
    post, path = "/webhooks/twilio/status", tag = "webhooks",
    responses((status = 204), (status = 403, description = "The signature does not verify"))
)]
pub async fn status(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Error> {
    let form = signed(&state, &uri, &headers, &whole(body)?)?;
    let (sid, status) = (form.get("MessageSid"), form.get("MessageStatus"));
    let (Some(ticket), Some(report)) = (ticket(&uri), report(status)) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    if sid.is_empty() || sid.len() > 64 {
        return Ok(StatusCode::NO_CONTENT);
    }
    let now = state.clock.now();
    let mut tx = state.pool.begin().await?;
    let key = format!("{sid}/{status}/{}", ticket.1);
    let event = ProviderEvent {
        provider: "twilio",
        key: &key,
        notification_id: Some(ticket.0),
        status,
    };
    if provider_events::enter(&mut tx, event, now).await? {
        ledger::report(&mut tx, ticket, report, sid, now).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What somebody answered to an SMS: STOP and START are understood.
#[utoipa::path(
    post, path = "/webhooks/twilio/inbound", tag = "webhooks",
    responses((status = 204), (status = 403, description = "The signature does not verify"))
)]
pub async fn inbound(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Error> {
    let form = signed(&state, &uri, &headers, &whole(body)?)?;
    let (from, word) = (form.get("From"), form.get("Body").trim().to_ascii_uppercase());
    if is_e164(from) {
        let mut db = state.pool.acquire().await?;
        if STOP.contains(&word.as_str()) {
            opt_outs::add(&mut db, from, state.clock.now()).await?;
            tracing::info!("a recipient has opted out of SMS");
        } else if START.contains(&word.as_str()) {
            opt_outs::remove(&mut db, from).await?;
            tracing::info!("a recipient wants SMS again");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The form, if Twilio signed it for our public address and for our account.
fn signed(state: &AppState, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Form, Error> {
    let settings = state.settings.current();
    let (Some(token), Some(account)) = (&settings.twilio.auth_token, &settings.twilio.account_sid) else {
        return Err(Error::BadSignature);
    };
    let given = headers
        .get(SIGNATURE)
        .and_then(|value| value.to_str().ok())
        .ok_or(Error::BadSignature)?;
    let base = settings.public.base_url.as_str().trim_end_matches('/');
    let url = format!("{base}{}", uri.path_and_query().map_or("", |path| path.as_str()));
    let form = Form(form_urlencoded::parse(body).into_owned().collect());
    if signature::twilio(token.expose_secret(), &url, &form.0, given) && form.get("AccountSid") == account {
        Ok(form)
    } else {
        Err(Error::BadSignature)
    }
}

/// Which try of which notification: we wrote it into the address when we sent.
fn ticket(uri: &Uri) -> Option<(NotificationId, u32)> {
    let query = form_urlencoded::parse(uri.query()?.as_bytes());
    let (mut id, mut attempt) = (None, None);
    for (name, value) in query {
        match name.as_ref() {
            "n" => id = value.parse().ok(),
            "a" => attempt = value.parse().ok(),
            _ => {}
        }
    }
    Some((id?, attempt?))
}

fn report(status: &str) -> Option<Report> {
    match status {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => Some(Report::Accepted),
        "delivered" | "read" => Some(Report::Delivered),
        "undelivered" | "failed" | "canceled" => Some(Report::Undeliverable),
        _ => None,
    }
}
