//! What other servers of this registry tell. Whoever was away tells old news: only the newer word counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{AppName, InstanceId, Key, Refusal, Registered, Registry};
use crate::domain::actor::Actor;
use crate::domain::instance::Instance;
use crate::domain::lease::{Action, Lease};
use crate::domain::status::Status;

/// Beyond this, departures are not remembered: an instance that a peer brings back is then dropped with its lease.
const MOST: usize = 20_000;

/// What is told grows younger on its way. Without this, two servers that tell each other of a dead instance again and
/// again would keep it alive.
const TRANSIT: TimeDelta = TimeDelta::seconds(1);

/// When the things that a peer tells happened, by this server's clock.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The instance was last heard of.
    pub heard_at: DateTime<Utc>,
    /// Its description last changed.
    pub changed_at: DateTime<Utc>,
    /// An operator last spoke of it, or took a word back.
    pub overridden_at: Option<DateTime<Utc>>,
}

impl Told {
    /// It has just happened.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            heard_at: now,
            changed_at: now,
            overridden_at: None,
        }
    }
}

/// Instances that left of late: a peer that was away then may still think that they are there.
#[derive(Debug, Default)]
pub(super) struct Departed(BTreeMap<(AppName, InstanceId), Departure>);

#[derive(Debug)]
struct Departure {
    at: DateTime<Utc>,
    /// By then nobody believes in the lease any more.
    until: DateTime<Utc>,
}

impl Departed {
    fn after(&self, (app, id): Key<'_>, heard_at: DateTime<Utc>) -> bool {
        let departure = self.0.get(&(app.clone(), id.clone()));
        departure.is_some_and(|departure| departure.at >= heard_at)
    }

    pub(super) fn returned(&mut self, (app, id): Key<'_>) {
        self.0.remove(&(app.clone(), id.clone()));
    }

    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
        self.0.retain(|_, departure| now < departure.until);
    }
}

impl Registry {
    /// Take in what a peer says of `instance` and of an operator's word about it, as far as it is news.
    pub fn take_over(
        &mut self,
        instance: Instance,
        overridden: Option<Status>,
        told: Told,
        (actor, now): (&Actor, DateTime<Utc>),
    ) -> Result<Registered, Refusal> {
        let (app, id) = (instance.app.clone(), instance.id.clone());
        if self.lease(&app, &id).is_none() {
            return self.take_in(instance, overridden, told, (actor, now));
        }
        let lease = self.existing((&app, &id), actor)?;
        if lease.instance.last_dirty > instance.last_dirty {
            return Err(Refusal::Outdated(Box::new(lease.clone())));
        }
        if told.heard_at > lease.renewed_at + TRANSIT {
            lease.renew(told.heard_at);
        }
        let before = lease.clone();
        if instance.last_dirty > lease.instance.last_dirty || told.changed_at > lease.updated_at {
            lease.instance = Arc::new(instance);
        }
        lease.overrule(overridden, told);
        if lease.instance == before.instance && lease.override_status == before.override_status {
            return Ok(Registered::Known);
        }
        lease.changed(Action::Modified, now);
        let lease = lease.clone();
        self.journal.came(&lease, actor, now);
        self.note(&lease, now);
        Ok(Registered::Changed)
    }

    /// Instances that left of late, and when.
    pub fn departed(&self) -> impl Iterator<Item = (Key<'_>, DateTime<Utc>)> {
        let departed = self.departed.0.iter();
        departed.map(|((app, id), departure)| ((app, id), departure.at))
    }

    /// Somebody whom we do not know, or no longer.
    fn take_in(
        &mut self,
        instance: Instance,
        overridden: Option<Status>,
        told: Told,
        (actor, now): (&Actor, DateTime<Utc>),
    ) -> Result<Registered, Refusal> {
        let app = instance.app.clone();
        let mut lease = Lease::new(instance, actor.owner_of(&app), now);
        lease.renewed_at = told.heard_at;
        lease.overrule(overridden, told);
        let has_left = self.departed.after((&app, &lease.instance.id), told.heard_at);
        if has_left || lease.ends_at() <= now {
            return Err(Refusal::Unknown);
        }
        self.check_room(&app)?;
        self.insert(lease, actor, now);
        Ok(Registered::Changed)
    }

    /// `lease` was given up at `at`.
    pub(super) fn remember_departure(&mut self, lease: &Lease, at: DateTime<Utc>) {
        if self.departed.0.len() < MOST {
            let key = (lease.instance.app.clone(), lease.instance.id.clone());
            let until = at + lease.duration() + self.preservation.longest;
            self.departed.0.insert(key, Departure { at, until });
        }
    }
}
