//! What calls to other services take.

use std::time::Duration;

use http::Method;
use metrics::Label;
use uuid::Uuid;

use crate::actuator::timer::{Timer, method_label, outcome_label};

/// Measure a call, under the names that dashboards rely on.
pub(super) fn count(
    app: &'static str,
    method: &Method,
    path: &str,
    answer: Result<&reqwest::Response, &reqwest::Error>,
    elapsed: Duration,
) {
    let (status, outcome) = match answer {
        Ok(response) => (
            response.status().as_str().to_owned(),
            outcome_label(response.status()),
        ),
        Err(_) => ("CLIENT_ERROR".to_owned(), "UNKNOWN"),
    };
    let error = match answer {
        Ok(_) => None,
        Err(error) if error.is_timeout() => Some("timeout"),
        Err(error) if error.is_connect() => Some("connect"),
        Err(_) => Some("io"),
    };
    let labels = vec![
        Label::from_static_parts("client_name", app),
        Label::from_static_parts("method", method_label(method)),
        Label::new("uri", template(path)),
        Label::new("status", status),
        Label::from_static_parts("outcome", outcome),
        Label::from_static_parts("exception", error.unwrap_or("None")),
        Label::from_static_parts("error", error.unwrap_or("none")),
    ];
    Timer::of("http_client_requests_seconds", labels).record(elapsed);
}

/// The path without what differs from call to call: all ids here are UUIDs, and the rest is in the query.
fn template(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| match Uuid::parse_str(segment) {
        Ok(_) => "{id}",
        Err(_) => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_gets_into_a_template() {
        let id = Uuid::now_v7();
        assert_eq!(template(&format!("/internal/users/{id}")), "/internal/users/{id}");
        assert_eq!(
            template(&format!("/internal/{id}/x?doctor_id={id}")),
            "/internal/{id}/x"
        );
        assert_eq!(template("/internal/users/lookup"), "/internal/users/lookup");
    }
}
