//! What a person sees from across the room.

use chrono::{DateTime, Utc};

use super::{Verdict, span};
use crate::domain::names::AppName;
use crate::domain::registry::{Entry, Registry};
use crate::health::{self, Overview};

/// The worst first.
pub(super) fn of(
    registry: &Registry,
    numbers: &Overview,
    lost_peers: &[String],
    now: DateTime<Utc>,
) -> Verdict {
    let lost = health::lost(registry, now);
    let idle: Vec<&str> = health::idle(registry).map(AppName::as_str).collect();
    let mut reasons = absences(&lost, &idle, now);
    reasons.extend(weaknesses(registry, numbers));
    if !lost_peers.is_empty() {
        reasons.push(format!("Out of step with {}.", lost_peers.join(", ")));
    }
    let missing = lost.len() + idle.len();
    let (level, title) = if missing > 0 {
        let apps = plural(missing, "application");
        ("bad", format!("{apps} without a working instance"))
    } else if numbers.weak > 0 {
        ("warn", format!("{} not up", plural(numbers.weak, "instance")))
    } else if numbers.silent > 0 {
        ("warn", format!("{} silent", plural(numbers.silent, "instance")))
    } else if !reasons.is_empty() {
        ("warn", "Something is wrong".to_owned())
    } else if numbers.instances == 0 {
        ("good", "Empty".to_owned())
    } else {
        ("good", all_well(numbers))
    };
    Verdict {
        level,
        title,
        reasons,
    }
}

fn absences(lost: &[&Entry], idle: &[&str], now: DateTime<Utc>) -> Vec<String> {
    let silent = |entry: &&Entry| {
        let when = span(now - entry.at);
        format!("{} is gone: its last instance was evicted {when} ago.", entry.app)
    };
    let mut reasons: Vec<String> = lost.iter().map(silent).collect();
    if !idle.is_empty() {
        reasons.push(format!("Nobody is up of {}.", idle.join(", ")));
    }
    reasons
}

fn weaknesses(registry: &Registry, numbers: &Overview) -> Vec<String> {
    let mut reasons = Vec::new();
    if numbers.weak > 0 {
        reasons.push(format!(
            "{} down, starting or without a status; {} of {} are up.",
            plural(numbers.weak, "instance"),
            numbers.up,
            numbers.instances
        ));
    }
    let awaited = numbers.silent.saturating_sub(numbers.preserved);
    if awaited > 0 {
        reasons.push(format!(
            "{} not been heard within the lease. Listed since before this server started, or just about to be \
             dropped.",
            have(awaited)
        ));
    }
    let preserving: Vec<&str> = registry.preserving().map(AppName::as_str).collect();
    if !preserving.is_empty() {
        reasons.push(format!(
            "{} of {} kept: too many fell silent at once for all of them to be dead. They are dropped {} s after \
             their leases ended.",
            plural(numbers.preserved, "silent instance"),
            preserving.join(", "),
            registry.preservation().longest.num_seconds()
        ));
    }
    reasons
}

fn all_well(numbers: &Overview) -> String {
    let up = format!("All well: {} of {} instances up", numbers.up, numbers.instances);
    match numbers.out_of_service {
        0 => up,
        out => format!("{up}, {out} out of service"),
    }
}

fn have(count: usize) -> String {
    let verb = if count == 1 { "has" } else { "have" };
    format!("{} {verb}", plural(count, "instance"))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}
