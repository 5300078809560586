//! The registry: who is there, who has just changed, and who left and why.

mod changes;
mod journal;
mod preservation;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::actor::{Actor, Power};
use super::instance::Instance;
use super::lease::{Action, Lease, Shown};
use super::names::{AppName, InstanceId};
use super::status::Status;

pub use changes::Changes;
pub use journal::{Entry, Event, Journal};
pub use preservation::Preservation;
pub use sweep::Gone;

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
    Outdated(Box<Shown>),
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
            swept_at: None,
        }
    }

    /// Take in `instance`, or what is new about it.
    pub fn register(&mut self, instance: Instance, actor: &Actor, now: DateTime<Utc>) -> Result<Registered, Refusal> {
        let (app, id) = (instance.app.clone(), instance.id.clone());
        // An id that was not chosen is a host name, and one host may well run several applications.
        if !actor.may_register(&app) || instance.id_given && self.is_held_by_another(&app, &id, actor) {
            return Err(Refusal::NotYours);
        }
        if self.lease(&app, &id).is_none() {
            self.check_room(&app)?;
            let lease = Lease::new(instance, actor.owner_of(&app), now);
            self.journal.came(&lease, actor, now);
            self.changes.note(lease.shown(), now);
            self.apps.entry(app).or_default().insert(id, lease);
            self.size += 1;
            self.version += 1;
            return Ok(Registered::Changed);
        }
        let lease = self.existing(&app, &id, actor)?;
        if actor.power == Power::Replication && lease.instance.last_dirty > instance.last_dirty {
            return Err(Refusal::Outdated(Box::new(lease.shown())));
        }
        lease.renew(now);
        if *lease.instance == instance {
            return Ok(Registered::Known);
        }
        lease.instance = Arc::new(instance);
        lease.changed(Action::Modified, now);
        let lease = lease.clone();
        self.journal.came(&lease, actor, now);
        self.note(&lease, now);
        Ok(Registered::Changed)
    }

    /// The instance is alive. `last_dirty` tells whether it has changed its mind about itself since.
    pub fn renew(
        &mut self,
        (app, id): (&AppName, &InstanceId),
        last_dirty: Option<i64>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let lease = self.existing(app, id, actor)?;
        let known = lease.instance.last_dirty;
        match last_dirty {
            Some(theirs) if theirs > known => return Err(Refusal::Unknown),
            Some(theirs) if theirs < known && actor.power == Power::Replication => {
                return Err(Refusal::Outdated(Box::new(lease.shown())));
            }
            _ => lease.renew(now),
        }
        self.journal.renewed(now);
        Ok(())
    }

    /// The instance leaves, or is removed by somebody who may.
    pub fn cancel(&mut self, app: &AppName, id: &InstanceId, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        let owner = Arc::clone(&self.existing(app, id, actor)?.owner);
        let event = match actor.power {
            Power::Replication => Event::LeftElsewhere,
            _ if owner == actor.name => Event::Left,
            _ => Event::Removed,
        };
        self.remove(app, id, event, Some(actor), now);
        Ok(())
    }

    /// An operator's word stands above the instance's own, until [`Registry::end_override`].
    pub fn set_override(
        &mut self,
        (app, id): (&AppName, &InstanceId),
        status: Status,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(app, id, actor, now, |lease| lease.override_status = Some(status))
    }

    /// The instance's own word counts again: `reported`, if given, else what it said last.
    pub fn end_override(
        &mut self,
        (app, id): (&AppName, &InstanceId),
        reported: Option<Status>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(app, id, actor, now, |lease| {
            lease.override_status = None;
            if let Some(status) = reported {
                Arc::make_mut(&mut lease.instance).status = status;
            }
        })
    }

    /// Replace the metadata of an instance.
    pub fn set_metadata(
        &mut self,
        (app, id): (&AppName, &InstanceId),
        metadata: BTreeMap<String, String>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(app, id, actor, now, |lease| Arc::make_mut(&mut lease.instance).metadata = metadata)
    }

    /// Take back what a former life of this registry knew. Nobody is dropped before `grace_until`.
    pub fn restore(&mut self, leases: Vec<Lease>, grace_until: DateTime<Utc>, now: DateTime<Utc>) {
        for mut lease in leases {
            let (app, id) = (lease.instance.app.clone(), lease.instance.id.clone());
            if self.lease(&app, &id).is_some() || self.check_room(&app).is_err() {
                continue;
            }
            lease.renew(now);
            lease.grace_until = Some(grace_until);
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

    /// The instance, if `actor` may change it. What is not there is nobody's, but only of an application that
    /// the credential covers: others do not learn whether it exists.
    fn existing(&mut self, app: &AppName, id: &InstanceId, actor: &Actor) -> Result<&mut Lease, Refusal> {
        if !actor.may_register(app) {
            return Err(Refusal::NotYours);
        }
        let lease = self.apps.get_mut(app).and_then(|instances| instances.get_mut(id)).ok_or(Refusal::Unknown)?;
        if actor.may_change(&lease.owner) { Ok(lease) } else { Err(Refusal::NotYours) }
    }

    /// Readers also look an instance up by its id alone: the id of another's instance is taken in every application.
    fn is_held_by_another(&self, app: &AppName, id: &InstanceId, actor: &Actor) -> bool {
        let holds = |instances: &Instances| instances.get(id).is_some_and(|lease| !actor.may_change(&lease.owner));
        actor.power == Power::OwnApplication && self.apps.iter().any(|(name, list)| name != app && holds(list))
    }

    fn check_room(&self, app: &AppName) -> Result<(), Refusal> {
        match self.apps.get(app) {
            Some(instances) if instances.len() >= self.caps.instances_per_app => {
                Err(Refusal::Full("instances of this application"))
            }
            None if self.apps.len() >= self.caps.apps => Err(Refusal::Full("applications")),
            _ if self.size >= self.caps.instances => Err(Refusal::Full("instances")),
            _ => Ok(()),
        }
    }

    fn change(
        &mut self,
        app: &AppName,
        id: &InstanceId,
        actor: &Actor,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Lease),
    ) -> Result<(), Refusal> {
        let lease = self.existing(app, id, actor)?;
        let before = lease.clone();
        change(lease);
        lease.renew(now);
        if before.instance == lease.instance && before.override_status == lease.override_status {
            return Ok(());
        }
        lease.changed(Action::Modified, now);
        let lease = lease.clone();
        self.note(&lease, now);
        Ok(())
    }

    fn note(&mut self, lease: &Lease, now: DateTime<Utc>) {
        self.changes.note(lease.shown(), now);
        self.version += 1;
    }

    fn remove(&mut self, app: &AppName, id: &InstanceId, event: Event, actor: Option<&Actor>, now: DateTime<Utc>) {
        let Some(instances) = self.apps.get_mut(app) else { return };
        let Some(mut lease) = instances.remove(id) else { return };
        if instances.is_empty() {
            self.apps.remove(app);
        }
        self.size -= 1;
        lease.changed(Action::Deleted, now);
        self.journal.left(&lease, event, actor, now);
        let evicted_ms = now.timestamp_millis();
        self.changes.note(Shown { evicted_ms, ..lease.shown() }, now);
        self.version += 1;
    }
}

#[cfg(test)]
mod tests;
