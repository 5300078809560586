//! How often a caller may fail. Who succeeds is never counted; who has failed too often is refused beforehand.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use super::{Allowance, CallerKey, Class, ceil_seconds};

/// A bucket per caller that only failures empty.
#[derive(Debug)]
pub struct Failures {
    class: Class,
    /// Whose bucket is empty, and when there will be something in it again.
    shut_out: RwLock<HashMap<CallerKey, Instant>>,
}

impl Failures {
    /// As many as `class` allows.
    pub fn new(class: Class) -> Self {
        Self {
            class,
            shut_out: RwLock::default(),
        }
    }

    /// The numbers.
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// What the caller hears that has failed too often to be listened to now.
    pub fn refused(&self, key: CallerKey) -> Option<Allowance> {
        let shut_out = self.shut_out.read().unwrap_or_else(PoisonError::into_inner);
        let wait = shut_out.get(&key)?.checked_duration_since(Instant::now())?;
        Some(Allowance {
            refused_for_s: Some(ceil_seconds(wait).max(1)),
            ..self.class.allowance(0)
        })
    }

    /// Count a failure; answers what the caller has left.
    pub fn charge(&self, key: CallerKey) -> Allowance {
        let allowance = self.class.take(key);
        if allowance.remaining == 0 {
            let until = Instant::now() + self.class.period;
            let mut shut_out = self.shut_out.write().unwrap_or_else(PoisonError::into_inner);
            shut_out.insert(key, until);
        }
        allowance
    }

    /// Forget callers who may fail again.
    pub fn sweep(&self) {
        self.class.sweep();
        let now = Instant::now();
        let mut shut_out = self.shut_out.write().unwrap_or_else(PoisonError::into_inner);
        shut_out.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Quota;

    fn failures(per_minute: u32, burst: u32) -> Failures {
        let quota = Quota {
            per_minute: per_minute.try_into().expect("not zero"),
            burst: burst.try_into().expect("not zero"),
        };
        Failures::new(Class::new(quota, 1.0).expect("a quota"))
    }

    #[test]
    fn who_has_used_up_the_burst_is_refused_beforehand() {
        let failures = failures(60, 3);
        let key = CallerKey(1);
        for left in (0..3).rev() {
            assert_eq!(failures.refused(key), None);
            assert_eq!(failures.charge(key).remaining, left);
        }
        assert_eq!(
            failures.refused(key).and_then(|refused| refused.refused_for_s),
            Some(1)
        );
        assert_eq!(failures.refused(CallerKey(2)), None, "another caller");
        failures.sweep();
        assert!(failures.refused(key).is_some(), "sweeping forgives nothing");
    }

    #[test]
    fn who_may_fail_again_is_listened_to_and_forgotten() {
        let failures = failures(6_000_000, 1);
        failures.charge(CallerKey(1));
        while failures.refused(CallerKey(1)).is_some() {}
        failures.sweep();
        assert!(failures.shut_out.read().expect("not poisoned").is_empty());
    }
}
