//! The registry at a glance.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lease::Lease;
use crate::domain::names::AppName;
use crate::domain::registry::{Entry, Event, Instances, Registry};
use crate::domain::status::Status;

/// How long the loss of a whole application stays news.
const LATELY: TimeDelta = TimeDelta::minutes(15);

/// Numbers that say whether all is well.
#[derive(Clone, Copy, Debug)]
pub struct Overview {
    /// Applications.
    pub apps: usize,
    /// Instances.
    pub instances: usize,
    /// Those that take calls.
    pub up: usize,
    /// Those that should, and say themselves that they cannot.
    pub weak: usize,
    /// Those that an operator has taken out.
    pub out_of_service: usize,
    /// Silent ones that are kept.
    pub preserved: usize,
    /// All that have been silent for longer than their leases.
    pub silent: usize,
    /// Renewals in the last minute.
    pub renewals: u64,
    /// Renewals that a minute should bring.
    pub expected: u64,
    /// Fewer than this, and silence is taken for a broken network.
    pub threshold: u64,
}

impl Overview {
    /// The numbers of this moment.
    pub fn of(registry: &Registry, now: DateTime<Utc>) -> Self {
        let count = |status| registry.leases().filter(|lease| lease.status() == status).count();
        let per_minute = |lease: &Lease| 60.0 / f64::from(lease.instance.terms.renewal_interval_s);
        let expected: f64 = registry.leases().map(per_minute).sum();
        let [down, out_of_service, starting, unknown, up] = Status::ALL.map(count);
        Self {
            apps: registry.apps().len(),
            instances: registry.size(),
            up,
            weak: down + starting + unknown,
            out_of_service,
            preserved: registry.leases().filter(|lease| lease.is_preserved).count(),
            silent: registry.leases().filter(|lease| lease.is_overdue(now)).count(),
            renewals: registry.journal().renewals_per_minute(now),
            expected: whole(expected),
            threshold: whole(registry.preservation().threshold(expected)),
        }
    }
}

/// Applications that are registered, without a single instance that takes calls.
pub fn idle(registry: &Registry) -> impl Iterator<Item = &AppName> {
    let is_idle = |all: &Instances| !all.values().any(|lease| lease.status() == Status::Up);
    let idle = registry.apps().iter().filter(move |(_, all)| is_idle(all));
    idle.map(|(name, _)| name)
}

/// The last instances of applications that fell silent of late and have not come back.
pub fn lost(registry: &Registry, now: DateTime<Utc>) -> Vec<&Entry> {
    let is_lost = |entry: &&Entry| {
        matches!(entry.event, Event::Evicted { .. })
            && now - entry.at < LATELY
            && !registry.apps().keys().any(|name| name.as_str() == entry.app)
    };
    let last = registry.journal().last_departures().into_values();
    last.filter(is_lost).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of positive rates"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

/// Processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// This process's resident memory in megabytes, where the system tells.
pub fn resident_megabytes() -> Option<u64> {
    megabytes("/proc/self/status", "VmRSS:")
}

/// The machine's memory in megabytes, where the system tells.
pub fn total_megabytes() -> Option<u64> {
    megabytes("/proc/meminfo", "MemTotal:")
}

fn megabytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024)
}
