//! What is counted per route. Handles are made once and kept: labels are never built while a request waits.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use common::actuator::timer::{Timer, method_label, outcome_label};
use http::{Method, StatusCode};
use metrics::{Label, describe_counter, describe_gauge};

/// The timers of one route, one for each method and status that occurred.
#[derive(Debug, Default)]
pub struct Meter {
    known: RwLock<Vec<(&'static str, u16, Timer)>>,
}

impl Meter {
    /// Count one answer.
    pub fn record(&self, method: &Method, template: &str, status: u16, elapsed: Duration) {
        let method = method_label(method);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((.., timer)) = known.iter().find(|(m, s, _)| *m == method && *s == status) {
                timer.record(elapsed);
                return;
            }
        }
        let timer = timer(method, template, status);
        timer.record(elapsed);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.push((method, status, timer));
    }
}

/// The names that dashboards for Spring services know. What a service behind answered is no error of the gateway's.
fn timer(method: &'static str, template: &str, status: u16) -> Timer {
    let outcome = StatusCode::from_u16(status).map_or("UNKNOWN", outcome_label);
    let labels = vec![
        Label::from_static_parts("method", method),
        Label::new("uri", template.to_owned()),
        Label::new("status", status.to_string()),
        Label::from_static_parts("outcome", outcome),
        Label::from_static_parts("exception", "None"),
        Label::from_static_parts("error", "none"),
    ];
    Timer::of("http_server_requests_seconds", labels)
}

/// Say what the gateway's own metrics mean.
pub fn describe() {
    describe_counter!(
        "gateway_access_log_lost_total",
        "Lines of the access log that could not be written in time"
    );
    describe_counter!(
        "gateway_ejections_total",
        "Instances taken out of rotation, and taken back, by outcome"
    );
    describe_counter!(
        "gateway_framing_refusals_total",
        "Requests refused because their framing is not safe"
    );
    describe_counter!(
        "gateway_refusals_total",
        "Requests refused at the gateway, by reason"
    );
    describe_gauge!("gateway_connections", "Open connections of clients");
    describe_gauge!("gateway_known_tokens", "Tokens whose check is remembered");
    describe_gauge!(
        "gateway_limited_callers",
        "Callers that are counted, by class of limit"
    );
}
