//! Whether an instance is worth asking: a circuit that opens on failures and lets single probes through.

use std::time::{Duration, Instant};

/// This many failures in a row open the circuit; one is enough where nobody listens.
const IN_A_ROW: u32 = 5;
/// So does half of the calls of one window, once there were this many.
const WINDOW_CALLS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// The first pause; each failed probe doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A probe whose outcome never came blocks nobody longer than this.
const PROBE_LEASE: Duration = Duration::from_secs(30);

/// How one call went, as far as the instance is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered; a 4xx is an answer.
    Answered,
    /// It answered 5xx: worth avoiding while another instance does better, but it is there.
    Faulty,
    /// It did not answer in time, or broke off. One request alone can make a service do that, so it takes a few.
    Away,
    /// Nobody listens there: no connection could be made.
    Gone,
}

impl Outcome {
    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Faulty => "faulty",
            Self::Away => "away",
            Self::Gone => "gone",
        }
    }
}

/// What may be sent to the instance now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Anything.
    Good,
    /// One call, to see whether it is back; ask with [`Breaker::admit`].
    Probe,
    /// Only if every other instance is worse: it answers, but with errors.
    Doubtful,
    /// Nothing.
    Away,
}

/// The memory of one instance's recent behaviour.
#[derive(Debug, Default)]
pub struct Breaker {
    in_a_row: u32,
    window: Option<Window>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    calls: u32,
    failures: u32,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    /// It was unreachable rather than merely faulty.
    away: bool,
    probe_since: Option<Instant>,
}

impl Breaker {
    /// What may be sent now.
    pub fn standing(&self, now: Instant) -> Standing {
        let Some(open) = &self.open else {
            return Standing::Good;
        };
        let probing = open.probe_since.is_some_and(|since| now < since + PROBE_LEASE);
        match (now >= open.until && !probing, open.away) {
            (true, _) => Standing::Probe,
            (false, false) => Standing::Doubtful,
            (false, true) => Standing::Away,
        }
    }

    /// Take the right to send one call; `false` if a probe is under way already.
    pub fn admit(&mut self, now: Instant) -> bool {
        let standing = self.standing(now);
        if let (Standing::Probe, Some(open)) = (standing, &mut self.open) {
            open.probe_since = Some(now);
        }
        standing != Standing::Away
    }

    /// Note how a call went. Answers `true` if this opened the circuit.
    pub fn record(&mut self, outcome: Outcome, now: Instant) -> bool {
        if outcome == Outcome::Answered {
            self.in_a_row = 0;
            self.open = None;
            self.count(false, now);
            return false;
        }
        self.in_a_row += 1;
        let half_failed = self.count(true, now);
        let was_open = self.open.is_some();
        if was_open || outcome == Outcome::Gone || self.in_a_row >= IN_A_ROW || half_failed {
            self.trip(outcome != Outcome::Faulty, now);
        }
        !was_open && self.open.is_some()
    }

    /// A call ended without telling anything about the instance, such as when the client went away.
    pub fn forget_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probe_since = None;
        }
    }

    fn trip(&mut self, away: bool, now: Instant) {
        let pause = match &self.open {
            // Calls that were already under way when it opened say nothing new.
            Some(open) if open.probe_since.is_none() && now < open.until => return,
            Some(open) => (open.pause * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        self.open = Some(Open {
            until: now + pause,
            pause,
            away,
            probe_since: None,
        });
        self.window = None;
    }

    /// Count a call; whether half of a full window has failed.
    fn count(&mut self, failed: bool, now: Instant) -> bool {
        let fresh = || Window {
            begun: now,
            calls: 0,
            failures: 0,
        };
        let window = self.window.get_or_insert_with(fresh);
        if now >= window.begun + WINDOW {
            *window = fresh();
        }
        window.calls += 1;
        window.failures += u32::from(failed);
        window.calls >= WINDOW_CALLS && window.failures * 2 >= window.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped(outcome: Outcome, now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for call in 1..=IN_A_ROW {
            assert_eq!(breaker.record(outcome, now), call == IN_A_ROW);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let now = Instant::now();
        assert_eq!(tripped(Outcome::Away, now).standing(now), Standing::Away);
        assert_eq!(tripped(Outcome::Faulty, now).standing(now), Standing::Doubtful);
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW - 1 {
            breaker.record(Outcome::Away, now);
        }
        breaker.record(Outcome::Answered, now);
        breaker.record(Outcome::Away, now);
        assert_eq!(breaker.standing(now), Standing::Good);
    }

    #[test]
    fn one_vain_attempt_to_connect_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.record(Outcome::Answered, now);
        assert!(breaker.record(Outcome::Gone, now));
        assert_eq!(breaker.standing(now), Standing::Away);
        assert_eq!(breaker.standing(now + FIRST_PAUSE), Standing::Probe);
    }

    #[test]
    fn half_of_many_calls_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let opened = (0..WINDOW_CALLS).any(|call| {
            let outcome = if call % 2 == 0 {
                Outcome::Answered
            } else {
                Outcome::Away
            };
            breaker.record(outcome, now)
        });
        assert!(opened);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for call in 0..100_u32 {
            let outcome = if call % 2 == 0 {
                Outcome::Answered
            } else {
                Outcome::Away
            };
            breaker.record(outcome, now + WINDOW * call / 10);
        }
        assert_eq!(breaker.standing(now + WINDOW * 10), Standing::Good);
    }

    #[test]
    fn one_probe_at_a_time_and_its_answer_closes_it() {
        let now = Instant::now();
        let mut breaker = tripped(Outcome::Away, now);
        assert!(!breaker.admit(now));
        let later = now + FIRST_PAUSE;
        assert_eq!(breaker.standing(later), Standing::Probe);
        assert!(breaker.admit(later));
        assert!(
            !breaker.admit(later),
            "the second caller waits for the first one's outcome"
        );
        breaker.record(Outcome::Answered, later);
        assert_eq!(breaker.standing(later), Standing::Good);
    }

    #[test]
    fn a_failed_probe_doubles_the_pause_up_to_a_bound() {
        let mut now = Instant::now();
        let mut breaker = tripped(Outcome::Away, now);
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            now += pause;
            assert!(breaker.admit(now));
            breaker.record(Outcome::Away, now);
            pause = (pause * 2).min(LONGEST_PAUSE);
            assert_eq!(breaker.standing(now + pause / 2), Standing::Away);
            assert_eq!(breaker.standing(now + pause), Standing::Probe);
        }
    }

    #[test]
    fn calls_under_way_when_it_opened_do_not_prolong_it() {
        let now = Instant::now();
        let mut breaker = tripped(Outcome::Away, now);
        for _ in 0..50 {
            breaker.record(Outcome::Away, now + FIRST_PAUSE / 2);
        }
        assert_eq!(breaker.standing(now + FIRST_PAUSE), Standing::Probe);
    }

    #[test]
    fn a_probe_without_an_outcome_does_not_block_for_ever() {
        let begun = Instant::now();
        let mut breaker = tripped(Outcome::Away, begun);
        let now = begun + FIRST_PAUSE;
        assert!(breaker.admit(now));
        assert_eq!(breaker.standing(now + PROBE_LEASE), Standing::Probe);
        breaker.admit(now + PROBE_LEASE);
        breaker.forget_probe();
        assert_eq!(breaker.standing(now + PROBE_LEASE), Standing::Probe);
    }
}
