//! Once a second: drop those whose lease is over.

use chrono::{DateTime, TimeDelta, Utc};

use super::preservation::Census;
use super::{AppName, Event, InstanceId, Instances, Registry};
use crate::domain::lease::Lease;

/// Sweeps come every second. One that comes later than this found the process, not the instances, asleep.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// An instance that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its application.
    pub app: AppName,
    /// Its id.
    pub id: InstanceId,
    /// Why.
    pub event: Event,
}

impl Registry {
    /// Drop every instance whose lease is over, but for those that are preserved.
    pub fn sweep(&mut self, now: DateTime<Utc>) -> Vec<Gone> {
        self.forgive_lost_time(now);
        self.changes.forget(now);
        self.departed.forget(now);
        let fleet = self
            .apps
            .values()
            .map(|instances| census(instances, now))
            .fold(Census::default(), Census::plus);
        let protects_all = self.preservation.protects_registry(fleet);
        let mut gone = Vec::new();
        for (app, instances) in &mut self.apps {
            let protects = protects_all || self.preservation.protects_application(census(instances, now));
            for (id, lease) in instances.iter_mut().filter(|(_, lease)| lease.ends_at() <= now) {
                if protects && now - lease.ends_at() < self.preservation.longest {
                    lease.is_preserved = true;
                } else {
                    gone.push(Gone {
                        app: app.clone(),
                        id: id.clone(),
                        event: eviction(lease, now),
                    });
                }
            }
        }
        for Gone { app, id, event } in &gone {
            self.remove((app, id), *event, None, now);
        }
        gone
    }

    /// Applications that keep silent instances at the moment.
    pub fn preserving(&self) -> impl Iterator<Item = &AppName> {
        let keeps = |instances: &Instances| instances.values().any(|lease| lease.is_preserved);
        self.apps
            .iter()
            .filter(move |(_, instances)| keeps(instances))
            .map(|(app, _)| app)
    }

    /// A process that was stopped, or a clock that was set, made everybody look silent, or young, alike.
    fn forgive_lost_time(&mut self, now: DateTime<Utc>) {
        let lost = self.swept_at.map_or(TimeDelta::zero(), |before| now - before);
        self.swept_at = Some(now);
        if lost > LATE || lost < TimeDelta::zero() {
            for lease in self.apps.values_mut().flat_map(Instances::values_mut) {
                lease.renewed_at += lost;
            }
        }
    }
}

fn census(instances: &Instances, now: DateTime<Utc>) -> Census {
    let silent = instances.values().filter(|lease| lease.is_silent(now)).count();
    Census {
        all: instances.len(),
        silent,
    }
}

fn eviction(lease: &Lease, now: DateTime<Utc>) -> Event {
    Event::Evicted {
        silent_s: (now - lease.renewed_at).num_seconds(),
        lease_s: lease.instance.terms.duration_s,
        was_preserved: lease.is_preserved,
    }
}
