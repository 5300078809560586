//! One circuit breaker for each instance: after some failures in a row it is left alone for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FAILURES: u32 = 5;
const REST: Duration = Duration::from_secs(5);
/// Instances come and go; those not heard of for long are forgotten when there are this many.
const MANY: usize = 256;

#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<String, State>>);

struct State {
    failures: u32,
    /// When the next probe may go out.
    retry_at: Instant,
}

impl Breakers {
    pub(super) fn succeeded(&self, instance: &str) {
        self.lock().remove(instance);
    }

    pub(super) fn failed(&self, instance: &str) {
        let mut states = self.lock();
        if states.len() >= MANY {
            states.retain(|_, state| state.retry_at.elapsed() < REST * 12);
        }
        let now = Instant::now();
        let state = states.entry(instance.to_owned()).or_insert(State {
            failures: 0,
            retry_at: now,
        });
        state.failures = state.failures.saturating_add(1);
        state.retry_at = now + REST;
    }

    pub(super) fn is_open(&self, instance: &str) -> bool {
        self.lock()
            .get(instance)
            .is_some_and(|state| state.failures >= FAILURES)
    }

    /// Closed, or open and time for one probe.
    pub(super) fn admits(&self, instance: &str) -> bool {
        let mut states = self.lock();
        let Some(state) = states
            .get_mut(instance)
            .filter(|state| state.failures >= FAILURES)
        else {
            return true;
        };
        let now = Instant::now();
        let probe = state.retry_at <= now;
        if probe {
            state.retry_at = now + REST;
        }
        probe
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_a_success() {
        let breakers = Breakers::default();
        for _ in 0..FAILURES {
            assert!(breakers.admits("a"));
            breakers.failed("a");
        }
        assert!(breakers.is_open("a") && !breakers.admits("a"));
        assert!(breakers.admits("b"), "another instance is not concerned");
        breakers.succeeded("a");
        assert!(breakers.admits("a") && !breakers.is_open("a"));
    }
}
