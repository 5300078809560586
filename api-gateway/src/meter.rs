//! What is counted per route. Handles are made once and kept: labels are never built while a request waits.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::Method;
use metrics::Histogram;

/// The latency histograms of one route, one for each method and status that occurred.
#[derive(Debug, Default)]
pub struct Meter {
    known: RwLock<Vec<(&'static str, u16, Histogram)>>,
}

impl Meter {
    /// Count one answer.
    pub fn record(&self, method: &Method, template: &str, status: u16, elapsed: Duration) {
        let (method, seconds) = (label(method), elapsed.as_secs_f64());
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((.., histogram)) = known.iter().find(|(m, s, _)| *m == method && *s == status) {
                histogram.record(seconds);
                return;
            }
        }
        let histogram = histogram(method, template, status);
        histogram.record(seconds);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.push((method, status, histogram));
    }
}

fn histogram(method: &'static str, template: &str, status: u16) -> Histogram {
    // The names that dashboards for Spring services know.
    metrics::histogram!(
        "http_server_requests_seconds",
        "method" => method,
        "uri" => template.to_owned(),
        "status" => status.to_string(),
        "outcome" => outcome(status),
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
