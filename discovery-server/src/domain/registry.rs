//! The registry: who is there, who has just changed, and who left and why.

mod changes;
mod journal;
mod preservation;
mod replicas;
mod sweep;
mod writing;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::lease::Lease;
use super::names::{AppName, InstanceId};

pub use changes::Changes;
pub use journal::{Entry, Event, Journal};
pub use preservation::Preservation;
pub use replicas::Told;
pub use sweep::Gone;

/// What names an instance.
pub type Key<'a> = (&'a AppName, &'a InstanceId);

/// All instances of one application.
pub type Instances = BTreeMap<InstanceId, Lease>;

/// How much the registry takes in.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Instances in all.
    pub instances: usize,
    /// Instances of one application.
    pub instances_per_app: usize,
    /// Applications.
    pub apps: usize,
}

/// Why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such instance. The registrant will register again.
    #[error("no such instance")]
    Unknown,
    /// The credential does not cover the application, or another one made the instance.
    #[error("this credential may not change this instance")]
    NotYours,
    /// The registry is full.
    #[error("the registry takes no more {0}")]
    Full(&'static str),
    /// A peer's word is older than ours.
    #[error("a newer registration is known")]
    Outdated(Box<Lease>),
}

/// What a registration led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Readers see something new.
    Changed,
    /// Exactly this was known: it counts as a renewal.
    Known,
}

/// The whole registry. Time comes from outside.
#[derive(Debug)]
pub struct Registry {
    apps: BTreeMap<AppName, Instances>,
    size: usize,
    version: u64,
    caps: Caps,
    preservation: Preservation,
    changes: Changes,
    journal: Journal,
    departed: replicas::Departed,
    swept_at: Option<DateTime<Utc>>,
}

impl Registry {
    /// Empty. `version` must be greater than any that a former life of this registry has shown.
    pub fn new(caps: Caps, preservation: Preservation, version: u64) -> Self {
        Self {
            apps: BTreeMap::new(),
            size: 0,
            version,
            caps,
            preservation,
            changes: Changes::default(),
            journal: Journal::default(),
            departed: replicas::Departed::default(),
            swept_at: None,
        }
    }

    /// Keep silent instances by this rule from now on.
    pub fn preserve(&mut self, preservation: Preservation) {
        self.preservation = preservation;
    }

    /// Take back what a former life of this registry knew. Everybody gets a full lease, and so the time to renew it.
    pub fn restore(&mut self, leases: Vec<Lease>, now: DateTime<Utc>) {
        for mut lease in leases {
            let (app, id) = (lease.instance.app.clone(), lease.instance.id.clone());
            if self.lease(&app, &id).is_some() || self.check_room(&app).is_err() {
                continue;
            }
            // Peers are still told when the instance was really heard of.
            lease.grace_until = Some(now + lease.duration());
            self.note(&lease, now);
            self.apps.entry(app).or_default().insert(id, lease);
            self.size += 1;
        }
    }

    /// Every instance.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.apps.values().flat_map(Instances::values)
    }

    /// All applications, sorted by name, none of them empty.
    pub fn apps(&self) -> &BTreeMap<AppName, Instances> {
        &self.apps
    }

    /// One instance.
    pub fn lease(&self, app: &AppName, id: &InstanceId) -> Option<&Lease> {
        self.apps.get(app)?.get(id)
    }

    /// Grows with every change that readers can see.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many instances there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What changed of late.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Who came and who left.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The rule by which silent instances are kept.
    pub fn preservation(&self) -> &Preservation {
        &self.preservation
    }
}

#[cfg(test)]
mod tests;
