//! What is counted per route. Handles are made once and kept: labels are never built while a request waits.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use common::actuator::timer::{Timer, method_label, outcome_label};
use http::{Method, StatusCode};
use metrics::{Label, describe_counter, describe_gauge, describe_histogram};

/// The timers of one route or page, one for each method and status that occurred.
#[derive(Debug)]
pub struct Meter {
    template: String,
    route: Option<Route>,
    known: RwLock<Vec<(&'static str, u16, Series)>>,
}

/// What a route is called in the metrics of Spring Cloud Gateway.
#[derive(Debug)]
struct Route {
    id: String,
    uri: String,
}

/// The same answer under both names that dashboards know.
#[derive(Clone, Debug)]
struct Series {
    served: Timer,
    routed: Option<Timer>,
}

impl Meter {
    /// For one of the gateway's own pages.
    pub fn page(template: &str) -> Self {
        Self {
            template: template.to_owned(),
            route: None,
            known: RwLock::default(),
        }
    }

    /// For a route to a service.
    pub fn route(template: &str, id: &str, uri: String) -> Self {
        let id = id.to_owned();
        Self {
            route: Some(Route { id, uri }),
            ..Self::page(template)
        }
    }

    /// Count one answer: how long it took, and when it ended.
    pub fn record(&self, method: &Method, status: u16, (elapsed, end): (Duration, Instant)) {
        let method = method_label(method);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((.., series)) = known.iter().find(|(m, s, _)| *m == method && *s == status) {
                series.record(elapsed, end);
                return;
            }
        }
        let series = self.series(method, status);
        series.record(elapsed, end);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.push((method, status, series));
    }

    fn series(&self, method: &'static str, status: u16) -> Series {
        let outcome = StatusCode::from_u16(status).map_or("UNKNOWN", outcome_label);
        Series {
            served: served(method, &self.template, (status, outcome)),
            routed: self
                .route
                .as_ref()
                .map(|route| routed(method, route, (status, outcome))),
        }
    }
}

impl Series {
    fn record(&self, elapsed: Duration, end: Instant) {
        self.served.record_at(elapsed, end);
        if let Some(routed) = &self.routed {
            routed.record_at(elapsed, end);
        }
    }
}

/// What a service behind answered is no error of the gateway's.
fn served(method: &'static str, template: &str, (status, outcome): (u16, &'static str)) -> Timer {
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

fn routed(method: &'static str, route: &Route, (status, outcome): (u16, &'static str)) -> Timer {
    // Spring's two projects differ in this word.
    let outcome = if outcome == "SUCCESS" {
        "SUCCESSFUL"
    } else {
        outcome
    };
    let labels = vec![
        Label::new("routeId", route.id.clone()),
        Label::new("routeUri", route.uri.clone()),
        Label::from_static_parts("httpMethod", method),
        Label::new("httpStatusCode", status.to_string()),
        Label::new("status", name(status)),
        Label::from_static_parts("outcome", outcome),
    ];
    Timer::of("spring_cloud_gateway_requests_seconds", labels)
}

/// A status in words, as `NOT_FOUND`.
fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    reason.map_or_else(
        || status.to_string(),
        |reason| reason.to_uppercase().replace([' ', '-'], "_"),
    )
}

/// Say what the gateway's own metrics mean.
pub fn describe() {
    describe_counter!(
        "gateway_access_log_lost_total",
        "Lines of the access log that could not be written in time"
    );
    describe_counter!(
        "gateway_clients_given_up_total",
        "Connections closed because their clients were too slow, by what was waited for"
    );
    describe_counter!(
        "gateway_connections_refused_total",
        "Connections refused because there were too many, by which limit"
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
    describe_histogram!(
        "spring_cloud_gateway_requests_seconds",
        "Time that requests to services took, by route"
    );
    describe_gauge!(
        "spring_cloud_gateway_requests_seconds_max",
        "The longest request to a service in the last two minutes, by route"
    );
    describe_gauge!("gateway_connections", "Open connections of clients");
    describe_gauge!("gateway_known_tokens", "Tokens whose check is remembered");
    describe_gauge!(
        "gateway_limited_callers",
        "Callers that are counted, by class of limit"
    );
}
