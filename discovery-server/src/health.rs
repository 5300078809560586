//! The registry at a glance.

use chrono::{DateTime, Utc};

use crate::domain::lease::Lease;
use crate::domain::registry::Registry;
use crate::domain::status::Status;

/// Numbers that say whether all is well.
#[derive(Clone, Copy, Debug)]
pub struct Overview {
    /// Applications.
    pub apps: usize,
    /// Instances.
    pub instances: usize,
    /// Those that take calls.
    pub up: usize,
    /// Applications without a single one that does.
    pub apps_without_any: usize,
    /// Silent ones that are kept.
    pub preserved: usize,
    /// Renewals in the last minute.
    pub renewals: u64,
    /// Renewals that a minute should bring.
    pub expected: u64,
}

impl Overview {
    /// The numbers of this moment.
    pub fn of(registry: &Registry, now: DateTime<Utc>) -> Self {
        let is_up = |lease: &&Lease| lease.status() == Status::Up;
        let per_minute = |lease: &Lease| 60.0 / f64::from(lease.instance.terms.renewal_interval_s);
        let expected: f64 = registry.leases().map(per_minute).sum();
        Self {
            apps: registry.apps().len(),
            instances: registry.size(),
            up: registry.leases().filter(is_up).count(),
            apps_without_any: registry
                .apps()
                .values()
                .filter(|all| !all.values().any(|l| is_up(&l)))
                .count(),
            preserved: registry.leases().filter(|lease| lease.is_preserved).count(),
            renewals: registry.journal().renewals_per_minute(now),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a sum of positive rates"
            )]
            expected: expected.round() as u64,
        }
    }
}

/// This process's resident memory in megabytes, where the system tells.
pub fn resident_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024)
}
