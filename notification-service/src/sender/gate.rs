use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::domain::outcome::Outcome;

const FAILURES: u32 = 5;
const OPEN: TimeDelta = TimeDelta::seconds(10);
const REPAIR: TimeDelta = TimeDelta::seconds(60);

/// Keeps messages back from a provider that is out of order, overrun or refuses our credentials.
#[derive(Default)]
pub struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    shut_until: Option<DateTime<Utc>>,
    trouble: Option<String>,
}

impl Gate {
    /// How many of `wanted` messages may go now: none while the gate is shut, one after that, all when it went well.
    pub fn admits(&self, now: DateTime<Utc>, wanted: u32) -> u32 {
        let state = self.lock();
        match state.shut_until {
            Some(until) if now < until => 0,
            Some(_) => wanted.min(1),
            None => wanted,
        }
    }

    /// Takes note of how a message fared.
    pub fn note(&self, outcome: &Outcome, now: DateTime<Utc>) {
        let mut state = self.lock();
        match outcome {
            Outcome::Accepted(_) | Outcome::Arrived(_) | Outcome::Refused(_) | Outcome::OptedOut => {
                *state = State::default();
            }
            Outcome::Misconfigured(code) => {
                tracing::error!(%code, "the provider refuses us: check the credentials and the sender");
                state.shut(code, now + REPAIR);
            }
            Outcome::NotTaken {
                code,
                wait: Some(wait),
            } => state.shut(code, now + *wait),
            Outcome::NotTaken { code, wait: None } | Outcome::Ambiguous(code) => {
                state.failures += 1;
                state.trouble = Some(code.clone());
                if state.failures >= FAILURES || state.shut_until.is_some() {
                    state.shut(code, now + OPEN);
                }
            }
        }
    }

    /// For the health indicator.
    ///
    /// # Errors
    /// Why messages are kept back.
    pub fn health(&self) -> Result<Value, String> {
        let state = self.lock();
        match (&state.trouble, state.shut_until) {
            (Some(trouble), Some(_)) => Err(format!("kept back: {trouble}")),
            _ => Ok(json!({ "state": "open" })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shut(&mut self, code: &str, until: DateTime<Utc>) {
        self.trouble = Some(code.to_owned());
        self.shut_until = self.shut_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn broken() -> Outcome {
        Outcome::NotTaken {
            code: "x".to_owned(),
            wait: None,
        }
    }

    #[test]
    fn five_failures_shut_the_gate_and_one_success_opens_it() {
        let gate = Gate::default();
        for _ in 0..4 {
            gate.note(&broken(), NOW);
            assert_eq!(gate.admits(NOW, 16), 16);
        }
        gate.note(&broken(), NOW);
        assert_eq!(gate.admits(NOW, 16), 0);
        assert!(gate.health().is_err());
        let later = NOW + TimeDelta::seconds(10);
        assert_eq!(gate.admits(later, 16), 1);
        gate.note(&broken(), later);
        assert_eq!(gate.admits(later, 16), 0);
        gate.note(&Outcome::Accepted(None), later);
        assert_eq!(gate.admits(later, 16), 16);
        assert!(gate.health().is_ok());
    }

    #[test]
    fn a_provider_that_asks_for_a_pause_gets_it_at_once() {
        let gate = Gate::default();
        let wait = Some(TimeDelta::seconds(30));
        gate.note(
            &Outcome::NotTaken {
                code: "429".to_owned(),
                wait,
            },
            NOW,
        );
        assert_eq!(gate.admits(NOW + TimeDelta::seconds(29), 16), 0);
        assert_eq!(gate.admits(NOW + TimeDelta::seconds(30), 16), 1);
    }

    #[test]
    fn wrong_credentials_stop_the_channel() {
        let gate = Gate::default();
        gate.note(&Outcome::Misconfigured("401".to_owned()), NOW);
        assert_eq!(gate.admits(NOW, 16), 0);
    }
}
