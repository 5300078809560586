//! How many retries a service may cost: a share of its calls, so that an overload is not multiplied.

use std::sync::atomic::{AtomicI64, Ordering};

/// In thousandths of a retry.
const ONE: i64 = 1000;
/// One retry for five calls.
const PER_CALL: i64 = ONE / 5;
/// Quiet services have this many in hand; busy ones cannot save up more.
const MOST: i64 = 10 * ONE;

/// A purse that every call fills a little and every retry empties by one.
#[derive(Debug)]
pub struct Budget {
    purse: AtomicI64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            purse: AtomicI64::new(MOST),
        }
    }
}

impl Budget {
    /// A call has been made.
    pub fn earn(&self) {
        if self.purse.load(Ordering::Relaxed) < MOST {
            self.purse.fetch_add(PER_CALL, Ordering::Relaxed);
        }
    }

    /// Whether one retry may be made; it is paid for at once.
    pub fn spend(&self) -> bool {
        let paid = self.purse.fetch_sub(ONE, Ordering::Relaxed) >= ONE;
        if !paid {
            self.purse.fetch_add(ONE, Ordering::Relaxed);
        }
        paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_a_fifth_of_the_calls() {
        let budget = Budget::default();
        while budget.spend() {}
        let retries = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert_eq!(retries, 200);
    }

    #[test]
    fn nothing_is_saved_up_beyond_a_few() {
        let budget = Budget::default();
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.spend()).count(), 10);
    }
}
