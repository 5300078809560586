//! What is counted per route. Handles are made once and kept: labels are never built while a request waits.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::Histogram;

/// The latency histograms of one route or page, one for each method and status that occurred.
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
    served: Histogram,
    routed: Option<Histogram>,
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

    /// Count one answer.
    pub fn record(&self, method: &Method, status: u16, elapsed: Duration) {
        let (method, seconds) = (label(method), elapsed.as_secs_f64());
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((.., series)) = known.iter().find(|(m, s, _)| *m == method && *s == status) {
                series.record(seconds);
                return;
            }
        }
        let series = self.series(method, status);
        series.record(seconds);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.push((method, status, series));
    }

    fn series(&self, method: &'static str, status: u16) -> Series {
        let served = metrics::histogram!(
            "http_server_requests_seconds",
            "method" => method,
            "uri" => self.template.clone(),
            "status" => status.to_string(),
            "outcome" => outcome(status),
        );
        let routed = self.route.as_ref().map(|route| {
            metrics::histogram!(
                "spring_cloud_gateway_requests_seconds",
                "routeId" => route.id.clone(),
                "routeUri" => route.uri.clone(),
                "httpMethod" => method,
                "httpStatusCode" => status.to_string(),
                "status" => name(status),
                // Another word than above: Spring's two projects differ.
                "outcome" => if status / 100 == 2 { "SUCCESSFUL" } else { outcome(status) },
            )
        });
        Series { served, routed }
    }
}

impl Series {
    fn record(&self, seconds: f64) {
        self.served.record(seconds);
        if let Some(routed) = &self.routed {
            routed.record(seconds);
        }
    }
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

/// Anything may be a method; only these may be a label.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn outcome(status: u16) -> &'static str {
    match status / 100 {
        1 => "INFORMATIONAL",
        2 => "SUCCESS",
        3 => "REDIRECTION",
        4 => "CLIENT_ERROR",
        _ => "SERVER_ERROR",
    }
}
