//! The last requests, as `/actuator/httpexchanges` shows them: by route template, without query, ids or bodies.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde_json::{Value, json};

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
    pub route: String,
    /// The answer's status.
    pub status: StatusCode,
    /// How long it took.
    pub elapsed: Duration,
}

impl Exchange {
    /// Count it and remember it among the last.
    pub fn record(self) {
        metrics::histogram!(
            "http_server_requests_seconds",
            "method" => self.method.as_str().to_owned(),
            "uri" => self.route.clone(),
            "status" => self.status.as_str().to_owned(),
            "outcome" => outcome(self.status),
        )
        .record(self.elapsed.as_secs_f64());
        self.remember();
    }

    /// Remember it among the last, for whoever counts by its own means.
    pub fn remember(self) {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        last.truncate(KEPT - 1);
        last.push_front(self);
    }

    fn json(&self) -> Value {
        json!({
            "timestamp": self.at,
            "request": { "method": self.method.as_str(), "uri": self.route, "headers": {} },
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

fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "INFORMATIONAL",
        2 => "SUCCESS",
        3 => "REDIRECTION",
        4 => "CLIENT_ERROR",
        _ => "SERVER_ERROR",
    }
}
