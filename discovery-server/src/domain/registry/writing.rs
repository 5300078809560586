//! What registrants, operators and peers do to the registry, and what of it they may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Event, Instances, Key, Refusal, Registered, Registry};
use crate::domain::actor::{Actor, Power};
use crate::domain::instance::Instance;
use crate::domain::lease::{Action, Lease, Shown};
use crate::domain::names::{AppName, InstanceId};
use crate::domain::status::Status;

impl Registry {
    /// Take in `instance`, or what is new about it.
    pub fn register(
        &mut self,
        instance: Instance,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<Registered, Refusal> {
        let (app, id) = (instance.app.clone(), instance.id.clone());
        // An id that was not chosen is a host name, and one host may well run several applications.
        if !actor.may_register(&app) || instance.id_given && self.is_held_by_another(&app, &id, actor) {
            return Err(Refusal::NotYours);
        }
        if self.lease(&app, &id).is_none() {
            self.check_room(&app)?;
            self.insert(Lease::new(instance, actor.owner_of(&app), now), actor, now);
            return Ok(Registered::Changed);
        }
        let lease = self.existing((&app, &id), actor)?;
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
        key: Key<'_>,
        last_dirty: Option<i64>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let lease = self.existing(key, actor)?;
        let known = lease.instance.last_dirty;
        match last_dirty {
            Some(theirs) if theirs > known => return Err(Refusal::Unknown),
            Some(theirs) if theirs < known && actor.power == Power::Replication => {
                return Err(Refusal::Outdated(Box::new(lease.clone())));
            }
            _ => lease.renew(now),
        }
        self.journal.renewed(now);
        Ok(())
    }

    /// The instance leaves, or is removed by somebody who may. It left at `left_at`, which is in the past if a peer
    /// tells it late: an instance that was heard of since is back.
    pub fn cancel(
        &mut self,
        key: Key<'_>,
        left_at: DateTime<Utc>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let lease = self.existing(key, actor)?.clone();
        if left_at < now && lease.renewed_at > left_at {
            return Err(Refusal::Outdated(Box::new(lease)));
        }
        self.remember_departure(&lease, left_at);
        let event = match actor.power {
            Power::Replication => Event::LeftElsewhere,
            _ if lease.owner == actor.name => Event::Left,
            _ => Event::Removed,
        };
        self.remove(key, event, Some(actor), now);
        Ok(())
    }

    /// An operator's word stands above the instance's own, until [`Registry::end_override`].
    pub fn set_override(
        &mut self,
        key: Key<'_>,
        status: Status,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(key, actor, now, |lease| lease.override_with(Some(status), now))
    }

    /// The instance's own word counts again: `reported`, if given, else what it said last.
    pub fn end_override(
        &mut self,
        key: Key<'_>,
        reported: Option<Status>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(key, actor, now, |lease| {
            lease.override_with(None, now);
            if let Some(status) = reported {
                Arc::make_mut(&mut lease.instance).status = status;
            }
        })
    }

    /// Replace the metadata of an instance.
    pub fn set_metadata(
        &mut self,
        key: Key<'_>,
        metadata: BTreeMap<String, String>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.change(key, actor, now, |lease| {
            Arc::make_mut(&mut lease.instance).metadata = metadata;
        })
    }

    /// The instance, if `actor` may change it. What is not there is nobody's, but only of an application that
    /// the credential covers: others do not learn whether it exists.
    pub(super) fn existing(&mut self, (app, id): Key<'_>, actor: &Actor) -> Result<&mut Lease, Refusal> {
        if !actor.may_register(app) {
            return Err(Refusal::NotYours);
        }
        let lease = self
            .apps
            .get_mut(app)
            .and_then(|instances| instances.get_mut(id))
            .ok_or(Refusal::Unknown)?;
        if actor.may_change(&lease.owner) {
            Ok(lease)
        } else {
            Err(Refusal::NotYours)
        }
    }

    /// Readers also look an instance up by its id alone: the id of another's instance is taken in every application.
    fn is_held_by_another(&self, app: &AppName, id: &InstanceId, actor: &Actor) -> bool {
        let holds = |instances: &Instances| {
            instances
                .get(id)
                .is_some_and(|lease| !actor.may_change(&lease.owner))
        };
        actor.power == Power::OwnApplication
            && self.apps.iter().any(|(name, list)| name != app && holds(list))
    }

    pub(super) fn insert(&mut self, lease: Lease, actor: &Actor, now: DateTime<Utc>) {
        let (app, id) = (lease.instance.app.clone(), lease.instance.id.clone());
        self.departed.returned((&app, &id));
        self.journal.came(&lease, actor, now);
        self.note(&lease, now);
        self.apps.entry(app).or_default().insert(id, lease);
        self.size += 1;
    }

    pub(super) fn check_room(&self, app: &AppName) -> Result<(), Refusal> {
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
        key: Key<'_>,
        actor: &Actor,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Lease),
    ) -> Result<(), Refusal> {
        let lease = self.existing(key, actor)?;
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

    pub(super) fn note(&mut self, lease: &Lease, now: DateTime<Utc>) {
        self.changes.note(lease.shown(), now);
        self.version += 1;
    }

    pub(super) fn remove(
        &mut self,
        (app, id): Key<'_>,
        event: Event,
        actor: Option<&Actor>,
        now: DateTime<Utc>,
    ) {
        let Some(instances) = self.apps.get_mut(app) else {
            return;
        };
        let Some(mut lease) = instances.remove(id) else {
            return;
        };
        if instances.is_empty() {
            self.apps.remove(app);
        }
        self.size -= 1;
        lease.changed(Action::Deleted, now);
        self.journal.left(&lease, event, actor, now);
        let evicted_ms = now.timestamp_millis();
        self.changes.note(
            Shown {
                evicted_ms,
                ..lease.shown()
            },
            now,
        );
        self.version += 1;
    }
}
