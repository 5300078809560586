//! How many failed attempts are too many.

use chrono::{DateTime, TimeDelta, Utc};

/// What has been counted for one subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Failures that still count.
    pub failures: f64,
    /// When the last one happened.
    pub updated_at: DateTime<Utc>,
    /// Until when no attempt is looked at.
    pub blocked_until: DateTime<Utc>,
}

/// How failures turn into a pause.
#[derive(Debug, Clone, Copy)]
pub enum Policy {
    /// From `limit` failures in a row on: a pause that doubles with each further one. For accounts.
    Backoff {
        /// Failures without a pause.
        limit: u32,
        /// The first pause.
        first: TimeDelta,
        /// No pause is longer: an attacker can delay the owner, never lock them out.
        longest: TimeDelta,
        /// Quiet time after which all is forgotten.
        forget: TimeDelta,
    },
    /// `burst` failures, refilled at a steady rate. For addresses, behind which many people may be.
    Bucket {
        /// Failures at once.
        burst: u32,
        /// Time in which one is forgiven.
        refill: TimeDelta,
    },
}

impl Tally {
    /// Nothing has failed.
    pub fn clean(now: DateTime<Utc>) -> Self {
        Self {
            failures: 0.0,
            updated_at: now,
            blocked_until: now,
        }
    }

    /// How long until the next attempt is looked at; `None`: at once.
    pub fn pause(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        // One who looked at the clock before the last failure was written down, or whose clock is behind, waits for a
        // pause and not for that moment.
        let is_paused = self.updated_at < self.blocked_until && now < self.blocked_until;
        is_paused.then(|| self.blocked_until - now)
    }

    /// The tally after one more failure at `now`.
    #[must_use]
    pub fn failed(&self, policy: &Policy, now: DateTime<Utc>) -> Self {
        let passed = (now - self.updated_at).max(TimeDelta::zero());
        match *policy {
            Policy::Backoff {
                limit,
                first,
                longest,
                forget,
            } => {
                let before = if passed >= forget { 0.0 } else { self.failures };
                let failures = before + 1.0;
                let over = failures - f64::from(limit);
                let pause = if over < 0.0 {
                    TimeDelta::zero()
                } else {
                    scaled(first, over.min(40.0).exp2()).min(longest)
                };
                Self {
                    failures,
                    updated_at: now,
                    blocked_until: now + pause,
                }
            }
            Policy::Bucket { burst, refill } => {
                let forgiven = seconds(passed) / seconds(refill);
                let failures = (self.failures - forgiven).max(0.0) + 1.0;
                let over = failures - f64::from(burst) + 1.0;
                let pause = if over <= 0.0 {
                    TimeDelta::zero()
                } else {
                    scaled(refill, over)
                };
                Self {
                    failures,
                    updated_at: now,
                    blocked_until: now + pause,
                }
            }
        }
    }
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded: at most the longest pause times 2^40 microseconds"
)]
fn scaled(time: TimeDelta, factor: f64) -> TimeDelta {
    TimeDelta::microseconds((seconds(time) * factor * 1e6) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Policy = Policy::Backoff {
        limit: 5,
        first: TimeDelta::seconds(30),
        longest: TimeDelta::minutes(15),
        forget: TimeDelta::hours(12),
    };
    const ADDRESS: Policy = Policy::Bucket {
        burst: 60,
        refill: TimeDelta::seconds(6),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn fail(policy: &Policy, times: u32) -> Tally {
        (0..times).fold(Tally::clean(at(0)), |tally, _| tally.failed(policy, at(0)))
    }

    #[test]
    fn an_account_pauses_longer_and_longer_but_never_for_good() {
        assert_eq!(fail(&ACCOUNT, 4).pause(at(0)), None);
        assert_eq!(fail(&ACCOUNT, 5).pause(at(0)), Some(TimeDelta::seconds(30)));
        assert_eq!(fail(&ACCOUNT, 5).pause(at(30)), None);
        assert_eq!(fail(&ACCOUNT, 6).pause(at(0)), Some(TimeDelta::seconds(60)));
        assert_eq!(fail(&ACCOUNT, 10_000).pause(at(0)), Some(TimeDelta::minutes(15)));
    }

    #[test]
    fn an_account_forgets_after_a_quiet_time() {
        let tally = fail(&ACCOUNT, 50);
        assert!(
            tally
                .failed(&ACCOUNT, at(12 * 3600 - 1))
                .pause(at(12 * 3600 - 1))
                .is_some()
        );
        assert_eq!(tally.failed(&ACCOUNT, at(12 * 3600)).pause(at(12 * 3600)), None);
    }

    #[test]
    fn an_address_is_slowed_to_the_refill_rate() {
        assert_eq!(fail(&ADDRESS, 59).pause(at(0)), None);
        let mut tally = fail(&ADDRESS, 60);
        assert_eq!(tally.pause(at(0)), Some(TimeDelta::seconds(6)));
        for round in 1..100 {
            let now = at(round * 6);
            assert_eq!(tally.pause(now), None, "one attempt per refill");
            tally = tally.failed(&ADDRESS, now);
            assert!(tally.pause(now).is_some());
        }
        assert_eq!(tally.failed(&ADDRESS, at(3600)).pause(at(3600)), None, "refilled");
    }

    #[test]
    fn a_clock_that_jumps_back_does_no_harm() {
        assert_eq!(fail(&ACCOUNT, 1).pause(at(-100)), None);
        assert_eq!(Tally::clean(at(0)).pause(at(-100)), None);
        assert!(fail(&ACCOUNT, 5).pause(at(-100)).is_some());
        assert!(fail(&ACCOUNT, 5).failed(&ACCOUNT, at(-100)).failures >= 6.0);
    }
}
