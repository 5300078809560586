//! Latencies: a histogram, and the longest of the last minutes, which a histogram cannot tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use metrics::{Gauge, Histogram, Key, Label};

/// A peak is forgotten after one to two of these.
const WINDOW: Duration = Duration::from_mins(1);

static KNOWN: RwLock<Option<HashMap<Key, Timer>>> = RwLock::new(None);

/// Measures one kind of work. Cheap to clone and to keep.
#[derive(Clone, Debug)]
pub struct Timer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    histogram: Histogram,
    longest: Gauge,
    peak: Mutex<Peak>,
}

/// The greatest value of this window and of the one before.
#[derive(Debug)]
struct Peak {
    since: Instant,
    now: Duration,
    before: Duration,
}

impl Timer {
    /// The timer of the metric `name`, which ends in `_seconds`, with these labels. The longest time is the gauge
    /// `name` with `_max` at its end.
    pub fn of(name: &'static str, labels: Vec<Label>) -> Self {
        let key = Key::from_parts(name, labels);
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(timer) = known.as_ref().and_then(|known| known.get(&key)) {
            return timer.clone();
        }
        drop(known);
        let labels: Vec<Label> = key.labels().cloned().collect();
        let timer = Self(Arc::new(Inner {
            histogram: metrics::histogram!(name, labels.clone()),
            longest: metrics::gauge!(format!("{name}_max"), labels),
            peak: Mutex::new(Peak::new(Instant::now())),
        }));
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().entry(key).or_insert(timer).clone()
    }

    /// Count work that took `elapsed`.
    pub fn record(&self, elapsed: Duration) {
        self.record_at(elapsed, Instant::now());
    }

    /// Count work that took `elapsed` and ended at `end`, which is about now.
    pub fn record_at(&self, elapsed: Duration, end: Instant) {
        self.0.histogram.record(elapsed.as_secs_f64());
        let mut peak = self.0.peak.lock().unwrap_or_else(PoisonError::into_inner);
        peak.see(elapsed, end);
    }
}

/// Bring the gauges of all timers up to date.
pub(super) fn observe() {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    for timer in known.iter().flat_map(HashMap::values) {
        let mut peak = timer.0.peak.lock().unwrap_or_else(PoisonError::into_inner);
        timer.0.longest.set(peak.longest(Instant::now()).as_secs_f64());
    }
}

impl Peak {
    fn new(since: Instant) -> Self {
        Self {
            since,
            now: Duration::ZERO,
            before: Duration::ZERO,
        }
    }

    fn see(&mut self, elapsed: Duration, at: Instant) {
        self.turn(at);
        self.now = self.now.max(elapsed);
    }

    fn longest(&mut self, at: Instant) -> Duration {
        self.turn(at);
        self.now.max(self.before)
    }

    fn turn(&mut self, at: Instant) {
        let age = at.saturating_duration_since(self.since);
        if age >= 2 * WINDOW {
            *self = Self::new(at);
        } else if age >= WINDOW {
            self.before = std::mem::take(&mut self.now);
            self.since += WINDOW;
        }
    }
}

/// A method as a label: anything may be a method, and the number of series must not depend on clients.
pub fn method_label(method: &Method) -> &'static str {
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

/// Spring's word for a class of statuses.
pub fn outcome_label(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "INFORMATIONAL",
        2 => "SUCCESS",
        3 => "REDIRECTION",
        4 => "CLIENT_ERROR",
        _ => "SERVER_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_remembered_for_one_to_two_windows() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let long = Duration::from_secs(9);
        let mut peak = Peak::new(begun);
        peak.see(long, after(30));
        peak.see(Duration::from_secs(1), after(31));
        assert_eq!(peak.longest(after(59)), long);
        assert_eq!(peak.longest(after(119)), long);
        peak.see(Duration::from_secs(2), after(119));
        assert_eq!(peak.longest(after(121)), Duration::from_secs(2));
        assert_eq!(peak.longest(after(400)), Duration::ZERO);
    }

    #[test]
    fn a_method_of_the_clients_own_is_no_label() {
        assert_eq!(method_label(&Method::GET), "GET");
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "OTHER");
    }
}
