use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;
use crate::domain::address::{SHARED_KEYS, limit_key};

fn class(per_minute: u32, burst: u32, scale: f64) -> Class {
    let quota = Quota {
        per_minute: per_minute.try_into().expect("not zero"),
        burst: burst.try_into().expect("not zero"),
    };
    Class::new(quota, scale).expect("a good quota")
}

#[test]
fn the_burst_passes_and_one_more_is_told_to_wait() {
    let class = class(60, 5, 1.0);
    let key = CallerKey(1);
    for left in (0..5).rev() {
        let allowance = class.take(key);
        assert_eq!(
            (allowance.limit, allowance.remaining, allowance.refused_for_s),
            (5, left, None)
        );
        assert_eq!(allowance.reset_s, u64::from(5 - left));
    }
    assert_eq!(class.take(key).refused_for_s, Some(1));
    assert_eq!(
        class.take(CallerKey(2)).refused_for_s,
        None,
        "another caller has a bucket of its own"
    );
}

#[test]
fn a_scale_multiplies_rate_and_burst() {
    assert_eq!(class(60, 5, 10.0).take(CallerKey(1)).limit, 50);
    assert_eq!(class(60, 5, 0.1).take(CallerKey(1)).limit, 1);
    assert_eq!(
        class(60_000, 4_000_000_000, 1e12).take(CallerKey(1)).limit,
        u32::MAX
    );
    let quota = class(60, 5, 1.0).quota;
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9] {
        assert!(Class::new(quota, bad).is_err(), "{bad}");
    }
}

#[test]
fn callers_with_a_full_bucket_are_forgotten() {
    let class = class(60_000_000, 10, 1.0);
    for key in 0..1000 {
        class.take(CallerKey(key));
    }
    class.sweep();
    assert!(class.callers() < 1000);
    assert!(!class.is_crowded());
}

/// Pages that this process has in memory, as bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .expect("a field")
        .parse()
        .expect("a number");
    pages * 4096
}

#[test]
fn a_million_addresses_take_little_memory() {
    let class = class(1, 10, 1.0);
    let before = resident();
    for number in 0..1_000_000_u32 {
        // Spread over all networks; the gateway sweeps every second, and answers fewer than this in one.
        let address = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761));
        class.take(CallerKey(limit_key(address.into(), class.is_crowded())));
        if number % 50_000 == 0 {
            class.sweep();
        }
    }
    assert!(class.is_crowded());
    assert!(
        class.callers() <= CROWDED + 50_000 + SHARED_KEYS,
        "{} buckets",
        class.callers()
    );
    let grown = resident().saturating_sub(before);
    assert!(grown < 50_000_000, "{grown} bytes");
}

#[test]
fn the_rate_is_kept_within_a_twentieth() {
    let class = class(12_000, 50, 1.0);
    let (begun, mut allowed) = (Instant::now(), 0_u32);
    while begun.elapsed() < Duration::from_secs(2) {
        allowed += u32::from(class.take(CallerKey(1)).refused_for_s.is_none());
    }
    let expected = 50.0 + 200.0 * begun.elapsed().as_secs_f64();
    let share = f64::from(allowed) / expected;
    assert!((0.95..1.05).contains(&share), "{allowed} of {expected}");
}
