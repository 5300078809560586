//! The last requests, as `/actuator/httpexchanges` shows them: by route template, without query, ids or bodies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use metrics::Label;
use serde_json::{Value, json};

use super::timer::{Timer, method_label, outcome_label};

const KEPT: usize = 100;

static LAST: Mutex<VecDeque<Exchange>> = Mutex::new(VecDeque::new());

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// Its method.
    pub method: Method,
    /// The template that it matched.
    pub route: Arc<str>,
    /// The answer's status.
    pub status: StatusCode,
    /// How long it took.
    pub elapsed: Duration,
}

impl Exchange {
    /// Probes and scrapes would drown everything else in a log or a list.
    pub fn is_probe(&self) -> bool {
        self.route.starts_with("/actuator") || ["/livez", "/readyz"].contains(&&*self.route)
    }

    /// Count it; `error` is the code of the problem that was answered.
    pub fn count(&self, error: Option<&str>) {
        let labels = vec![
            Label::from_static_parts("method", method_label(&self.method)),
            Label::new("uri", Arc::clone(&self.route)),
            Label::new("status", self.status.as_str().to_owned()),
            Label::from_static_parts("outcome", outcome_label(self.status)),
            Label::new("exception", error.unwrap_or("None").to_owned()),
            Label::new("error", error.unwrap_or("none").to_owned()),
        ];
        Timer::of("http_server_requests_seconds", labels).record(self.elapsed);
    }

    /// Remember it among the last, unless it is a probe.
    pub fn remember(self) {
        if self.is_probe() {
            return;
        }
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        last.truncate(KEPT - 1);
        last.push_front(self);
    }

    fn json(&self) -> Value {
        json!({
            "timestamp": self.at,
            "request": { "method": method_label(&self.method), "uri": *self.route, "headers": {} },
            "response": { "status": self.status.as_u16(), "headers": {} },
            "timeTaken": format!("PT{:.6}S", self.elapsed.as_secs_f64()),
        })
    }
}

/// The last exchanges, newest first.
pub fn last() -> Vec<Value> {
    LAST.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .map(Exchange::json)
        .collect()
}
