//! The registry as the whole process shares it: one lock, one number that tells of changes, and the bodies that
//! many readers ask for, each written once for each state of the registry.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use common::clock::Clock;
use tokio::sync::watch;

use crate::domain::registry::Registry;
use crate::listing::{Cache, Form, Scope};

/// The shared registry.
pub struct Board {
    registry: RwLock<Registry>,
    version: watch::Sender<u64>,
    clock: Clock,
    epoch: String,
    cache: Cache,
}

impl Board {
    /// Share `registry`. `epoch` tells this life of the server from its others.
    pub fn new(registry: Registry, clock: Clock, epoch: String) -> Self {
        let version = watch::Sender::new(registry.version());
        Self {
            registry: RwLock::new(registry),
            version,
            clock,
            epoch,
            cache: Cache::default(),
        }
    }

    /// Look at the registry. `look` must be quick: writers wait.
    pub fn read<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Change the registry, and tell those who wait if readers can see it.
    pub fn write<T>(&self, change: impl FnOnce(&mut Registry, DateTime<Utc>) -> T) -> T {
        let now = self.clock.now();
        let (outcome, version) = {
            let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
            (change(&mut registry, now), registry.version())
        };
        self.version.send_if_modified(|known| {
            let is_news = *known < version;
            *known = version.max(*known);
            is_news
        });
        outcome
    }

    /// Hear of every change that readers can see.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// This life of the server.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The body of a fetch in this form, with a tag that differs whenever the body does.
    pub async fn body(self: &Arc<Self>, scope: Scope, form: Form) -> (Bytes, String) {
        let listing = self.cache.current(self, scope);
        let tag = format!("\"{}-{scope:?}-{}-{form}\"", self.epoch, listing.tag());
        (listing.body(self, form).await, tag)
    }
}
