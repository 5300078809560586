//! What people want to know afterwards: who came, who left and why, and how busy it was.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::actor::Actor;
use crate::domain::lease::Lease;
use crate::domain::status::Status;

const KEPT: usize = 1000;

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It registered, or said something new of itself.
    Registered(Status),
    /// It left by itself.
    Left,
    /// Somebody else removed it.
    Removed,
    /// Another server of this registry says that it left.
    LeftElsewhere,
    /// It fell silent.
    Evicted {
        /// Seconds since it was last heard of.
        silent_s: i64,
        /// Seconds of its lease.
        lease_s: u32,
        /// Its end had been put off because too many fell silent at once.
        was_preserved: bool,
    },
}

/// One line of the journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// Application.
    pub app: String,
    /// Instance.
    pub id: String,
    /// Where it was.
    pub address: String,
    /// What happened.
    pub event: Event,
    /// By whose hand; empty for evictions.
    pub by: String,
}

/// The last arrivals and departures, and the renewals of the last minute.
#[derive(Debug, Default)]
pub struct Journal {
    came: VecDeque<Entry>,
    left: VecDeque<Entry>,
    renewals: Minute,
}

impl Journal {
    pub(super) fn came(&mut self, lease: &Lease, actor: &Actor, now: DateTime<Utc>) {
        push(
            &mut self.came,
            entry(lease, Event::Registered(lease.status()), Some(actor), now),
        );
    }

    pub(super) fn left(&mut self, lease: &Lease, event: Event, actor: Option<&Actor>, now: DateTime<Utc>) {
        push(&mut self.left, entry(lease, event, actor, now));
    }

    pub(super) fn renewed(&mut self, now: DateTime<Utc>) {
        self.renewals.count(now.timestamp());
    }

    /// The last thousand registrations, newest first.
    pub fn arrivals(&self) -> impl Iterator<Item = &Entry> {
        self.came.iter().rev()
    }

    /// The last thousand departures, newest first.
    pub fn departures(&self) -> impl Iterator<Item = &Entry> {
        self.left.iter().rev()
    }

    /// The last departure of each application.
    pub fn last_departures(&self) -> BTreeMap<&str, &Entry> {
        let oldest_first = self.left.iter();
        oldest_first.map(|entry| (entry.app.as_str(), entry)).collect()
    }

    /// Renewals in the minute before `now`.
    pub fn renewals_per_minute(&self, now: DateTime<Utc>) -> u64 {
        self.renewals.sum(now.timestamp())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(status) => write!(f, "registered as {}", status.as_str()),
            Self::Left => f.write_str("left by itself"),
            Self::Removed => f.write_str("was removed"),
            Self::LeftElsewhere => f.write_str("left another server of this registry"),
            Self::Evicted {
                silent_s,
                lease_s,
                was_preserved,
            } => {
                write!(f, "evicted: silent for {silent_s} s, its lease is {lease_s} s")?;
                if *was_preserved {
                    f.write_str(", preserved for a while")
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn entry(lease: &Lease, event: Event, actor: Option<&Actor>, at: DateTime<Utc>) -> Entry {
    let instance = &lease.instance;
    let port = if instance.port.enabled {
        instance.port
    } else {
        instance.secure_port
    };
    Entry {
        at,
        app: instance.app.to_string(),
        id: instance.id.to_string(),
        address: std::net::SocketAddr::new(instance.ip_addr, port.number).to_string(),
        event,
        by: actor.map(ToString::to_string).unwrap_or_default(),
    }
}

fn push(ring: &mut VecDeque<Entry>, entry: Entry) {
    if ring.len() == KEPT {
        ring.pop_front();
    }
    ring.push_back(entry);
}

/// Counts by the second, for one minute.
#[derive(Debug)]
struct Minute {
    slots: [(i64, u64); 60],
}

impl Default for Minute {
    fn default() -> Self {
        Self {
            slots: [(i64::MIN, 0); 60],
        }
    }
}

impl Minute {
    fn count(&mut self, second: i64) {
        let index = usize::try_from(second.rem_euclid(60)).unwrap_or_default();
        let slot = &mut self.slots[index];
        if slot.0 != second {
            *slot = (second, 0);
        }
        slot.1 += 1;
    }

    fn sum(&self, second: i64) -> u64 {
        let recent = self
            .slots
            .iter()
            .filter(|(at, _)| (second - 60..=second).contains(at));
        recent.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_forgets_what_is_older() {
        let mut minute = Minute::default();
        for second in [100, 100, 130, 159] {
            minute.count(second);
        }
        assert_eq!((minute.sum(159), minute.sum(165), minute.sum(300)), (4, 2, 0));
        minute.count(160);
        assert_eq!(minute.sum(160), 3, "the slot of second 100 is used anew");
    }
}
