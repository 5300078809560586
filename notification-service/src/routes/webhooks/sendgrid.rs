use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use common::ids::NotificationId;
use common::problem::Problem;
use serde::Deserialize;
use serde_json::Value;

use super::{signature, whole};
use crate::AppState;
use crate::domain::status::Report;
use crate::error::Error;
use crate::store::ledger;
use crate::store::provider_events::{self, ProviderEvent};

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";
/// Reports are repeated for a day when we do not answer, perhaps under the signature of the first time.
const OLDEST: TimeDelta = TimeDelta::hours(25);

/// One report. Fields are added without notice.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    sg_event_id: String,
    #[serde(default)]
    sg_message_id: String,
    /// Ours; sent along with the mail.
    notification_id: Option<NotificationId>,
    attempt: Option<String>,
}

/// What became of e-mails.
#[utoipa::path(
    post, path = "/webhooks/sendgrid/events", tag = "webhooks",
    responses((status = 204), (status = 403, description = "The signature does not verify"))
)]
pub async fn events(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Error> {
    let (now, body) = (state.clock.now(), whole(body)?);
    check(&state, &headers, &body, now)?;
    let reports: Vec<Value> =
        serde_json::from_slice(&body).map_err(|_| Problem::bad_request("not a list of events"))?;
    for report in reports {
        // One report that cannot be read is no reason to have the whole batch repeated for a day.
        if let Ok(event) = serde_json::from_value::<Event>(report) {
            take(&state, &event, now).await?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn check(state: &AppState, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<(), Error> {
    let settings = state.settings.current();
    let key = settings
        .sendgrid
        .webhook_public_key
        .as_deref()
        .ok_or(Error::BadSignature)?;
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .ok_or(Error::BadSignature)
    };
    let (given, timestamp) = (text(SIGNATURE)?, text(TIMESTAMP)?);
    if !signature::sendgrid(key, timestamp, body, given) {
        return Err(Error::BadSignature);
    }
    let signed_at = timestamp
        .parse()
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    match signed_at {
        Some(at) if now - at <= OLDEST => Ok(()),
        _ => Err(Error::BadSignature),
    }
}

async fn take(state: &AppState, event: &Event, now: DateTime<Utc>) -> Result<(), Error> {
    let attempt = event
        .attempt
        .as_deref()
        .and_then(|attempt| attempt.parse::<u32>().ok());
    let (Some(id), Some(attempt), Some(report)) = (event.notification_id, attempt, report(&event.kind))
    else {
        return Ok(());
    };
    let key: String = event.sg_event_id.chars().take(160).collect();
    let message: String = event
        .sg_message_id
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .take(128)
        .collect();
    let mut tx = state.pool.begin().await?;
    let news = ProviderEvent {
        provider: "sendgrid",
        key: &key,
        notification_id: Some(id),
        status: known_name(report),
    };
    if provider_events::enter(&mut tx, news, now).await? {
        ledger::report(&mut tx, (id, attempt), report, &message, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn report(event: &str) -> Option<Report> {
    match event {
        "processed" | "deferred" => Some(Report::Accepted),
        "delivered" | "open" | "click" => Some(Report::Delivered),
        "bounce" | "dropped" => Some(Report::Undeliverable),
        _ => None,
    }
}

fn known_name(report: Report) -> &'static str {
    match report {
        Report::Accepted => "accepted",
        Report::Delivered => "delivered",
        Report::Undeliverable => "undeliverable",
    }
}
