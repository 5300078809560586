//! A registered instance and how long it is still believed in.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::instance::Instance;
use super::registry::Told;
use super::status::Status;

/// What a change did to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It is new.
    Added,
    /// Something about it is new.
    Modified,
    /// It is gone.
    Deleted,
}

/// An instance with all that the registry knows beyond its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// In its own words.
    pub instance: Arc<Instance>,
    /// The credential that made it.
    pub owner: Arc<str>,
    /// What an operator says instead.
    pub override_status: Option<Status>,
    /// When an operator last spoke, or took a word back.
    pub overridden_at: Option<DateTime<Utc>>,
    /// When it came.
    pub registered_at: DateTime<Utc>,
    /// When it was last heard of.
    pub renewed_at: DateTime<Utc>,
    /// When it was first up.
    pub up_since: Option<DateTime<Utc>>,
    /// When anything but its renewal changed.
    pub updated_at: DateTime<Utc>,
    /// Not dropped before this instant: it may not have had the time to renew.
    pub grace_until: Option<DateTime<Utc>>,
    /// What the last change did.
    pub action: Action,
    /// Its lease is over, yet it is kept because too many fell silent at once.
    pub is_preserved: bool,
}

/// A lease as readers see it at one instant.
#[derive(Clone, Debug)]
pub struct Shown {
    /// In its own words.
    pub instance: Arc<Instance>,
    /// The status that counts.
    pub status: Status,
    /// What an operator says.
    pub override_status: Option<Status>,
    /// When it came, in milliseconds, as all below.
    pub registered_ms: i64,
    /// When it was last heard of.
    pub renewed_ms: i64,
    /// When it was first up; 0 if never.
    pub up_since_ms: i64,
    /// When it was dropped; 0 while it is there.
    pub evicted_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
    /// What the last change did.
    pub action: Action,
}

impl Lease {
    /// Begin a lease.
    pub fn new(instance: Instance, owner: Arc<str>, now: DateTime<Utc>) -> Self {
        let up_since = (instance.status == Status::Up).then_some(now);
        Self {
            instance: Arc::new(instance),
            owner,
            override_status: None,
            overridden_at: None,
            registered_at: now,
            renewed_at: now,
            up_since,
            updated_at: now,
            grace_until: None,
            action: Action::Added,
            is_preserved: false,
        }
    }

    /// The status that counts: an instance that admits a weakness is believed, else an operator's word stands
    /// above its own.
    pub fn status(&self) -> Status {
        let own = self.instance.status;
        if own.is_admission() {
            own
        } else {
            self.override_status.unwrap_or(own)
        }
    }

    /// The instance said that it is alive.
    pub fn renew(&mut self, now: DateTime<Utc>) {
        self.renewed_at = now;
        self.grace_until = None;
        self.is_preserved = false;
    }

    /// An operator speaks, or takes a word back.
    pub fn override_with(&mut self, status: Option<Status>, now: DateTime<Utc>) {
        self.override_status = status;
        self.overridden_at = Some(now);
    }

    /// A peer knows of an operator's word. It may be older than the one that stands here.
    pub fn overrule(&mut self, status: Option<Status>, told: Told) {
        let is_news = match told.overridden_at {
            Some(at) => self.overridden_at.is_none_or(|ours| at > ours),
            None => status.is_some(),
        };
        if is_news {
            self.override_with(status, told.overridden_at.unwrap_or(told.changed_at));
        }
    }

    /// Something about the instance changed.
    pub fn changed(&mut self, action: Action, now: DateTime<Utc>) {
        self.action = action;
        self.updated_at = now;
        if self.up_since.is_none() && self.status() == Status::Up {
            self.up_since = Some(now);
        }
    }

    /// When the instance is no longer believed in: once its duration has passed, not twice that.
    pub fn ends_at(&self) -> DateTime<Utc> {
        let end = self.renewed_at + self.duration();
        self.grace_until.map_or(end, |grace| grace.max(end))
    }

    /// Whether it has been silent for longer than it may be. It can still be listed: preserved, or waited for after
    /// a restart of this server.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        now >= self.renewed_at + self.duration()
    }

    /// Whether a renewal is so late that something must be wrong, though the lease may still run.
    ///
    /// When many fall silent at the same instant, their leases end one after the other within one renewal
    /// interval. So the first one to end has to be judged together with those about to.
    pub fn is_silent(&self, now: DateTime<Utc>) -> bool {
        let interval = i64::from(self.instance.terms.renewal_interval_s) * 1000;
        let duration = self.duration().num_milliseconds();
        let tolerated = (duration - interval * 5 / 4).max(duration / 2);
        now >= self.ends_at()
            || (self.grace_until.is_none() && (now - self.renewed_at).num_milliseconds() >= tolerated)
    }

    /// As peers see it: the instance's own word, with an operator's beside it.
    pub fn in_its_own_words(&self) -> Shown {
        Shown {
            status: self.instance.status,
            ..self.shown()
        }
    }

    /// As readers see it.
    pub fn shown(&self) -> Shown {
        Shown {
            instance: Arc::clone(&self.instance),
            status: self.status(),
            override_status: self.override_status,
            registered_ms: self.registered_at.timestamp_millis(),
            renewed_ms: self.renewed_at.timestamp_millis(),
            up_since_ms: self.up_since.map_or(0, |at| at.timestamp_millis()),
            evicted_ms: 0,
            updated_ms: self.updated_at.timestamp_millis(),
            action: self.action,
        }
    }

    /// How long it may be silent.
    pub fn duration(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.instance.terms.duration_s))
    }
}
