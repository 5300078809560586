//! The table of endpoints, one line each.

pub mod notifications;
pub mod webhooks;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use common::server::Router;
use utoipa::OpenApi;

use crate::AppState;
use webhooks::{sendgrid, twilio};

/// Providers send reports in batches of up to 768 KiB.
const WEBHOOK_LIMIT: usize = 1024 * 1024;

pub fn router(state: AppState) -> Router {
    let webhooks = Router::new()
        .route("/webhooks/twilio/status", post(twilio::status))
        .route("/webhooks/twilio/inbound", post(twilio::inbound))
        .route("/webhooks/sendgrid/events", post(sendgrid::events))
        .route_layer(DefaultBodyLimit::max(WEBHOOK_LIMIT));
    Router::new()
        .route("/notify", post(notifications::notify))
        .route("/notifications", get(notifications::list))
        .route("/notifications/{id}", get(notifications::read))
        .route("/notifications/{id}/retry", post(notifications::retry))
        .merge(webhooks)
        .with_state(state)
}

#[derive(OpenApi)]
#[openapi(paths(
    notifications::notify,
    notifications::list,
    notifications::read,
    notifications::retry,
    twilio::status,
    twilio::inbound,
    sendgrid::events,
))]
pub struct Documentation;
