//! The registry as this process knows it, and what it makes of a registry that has lost its memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::instance::{Instance, Status};

/// One state of the registry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct View {
    version: u64,
    apps: BTreeMap<String, Vec<Arc<Instance>>>,
    up: HashMap<String, Vec<Arc<Instance>>>,
}

impl View {
    pub(super) fn new(version: u64, instances: Vec<Arc<Instance>>) -> Self {
        let mut view = Self {
            version,
            ..Self::default()
        };
        for instance in instances {
            if instance.status == Status::Up {
                view.up
                    .entry(instance.app.clone())
                    .or_default()
                    .push(Arc::clone(&instance));
            }
            view.apps.entry(instance.app.clone()).or_default().push(instance);
        }
        view
    }

    /// The registry's own number of this state; comparable only within one life of the registry.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The instances of `app` that are up. Names are matched without regard to case.
    pub fn up(&self, app: &str) -> &[Arc<Instance>] {
        let found = if app.bytes().any(|b| b.is_ascii_lowercase()) {
            self.up.get(&app.to_ascii_uppercase())
        } else {
            self.up.get(app)
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Every application with all of its instances, whatever their status, sorted by name.
    pub fn applications(&self) -> impl Iterator<Item = (&str, &[Arc<Instance>])> {
        self.apps
            .iter()
            .map(|(name, instances)| (name.as_str(), instances.as_slice()))
    }

    /// Every instance, whatever its status.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.apps.values().flatten()
    }

    fn lists_the_same(&self, other: &Self) -> bool {
        self.apps == other.apps
    }
}

/// Where the newest view hangs for everybody to see.
#[derive(Debug)]
pub(super) struct Board {
    current: ArcSwap<View>,
    changes: watch::Sender<Arc<View>>,
}

impl Default for Board {
    fn default() -> Self {
        let empty = Arc::new(View::default());
        Self {
            current: ArcSwap::new(Arc::clone(&empty)),
            changes: watch::Sender::new(empty),
        }
    }
}

impl Board {
    pub(super) fn current(&self) -> Arc<View> {
        self.current.load_full()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.changes.subscribe()
    }

    /// Show `view`; those who wait are woken only if it lists something else. True if it does.
    pub(super) fn publish(&self, view: View) -> bool {
        if self.current.load().lists_the_same(&view) {
            return false;
        }
        let view = Arc::new(view);
        self.current.store(Arc::clone(&view));
        self.changes.send_replace(view);
        true
    }
}

/// What the registry said last, and what is believed beyond that.
///
/// A registry that restarts without its memory lists nobody until everybody has registered again. Instances that
/// vanish across such a gap are kept for a while: most of them are merely about to come back.
#[derive(Debug, Default)]
pub(super) struct Memory {
    version: u64,
    epoch: Option<String>,
    listed: Vec<Arc<Instance>>,
    held: Vec<Held>,
    /// A registry has answered this process.
    has_heard: bool,
}

/// Somebody whom the registry does not list.
#[derive(Debug)]
struct Held {
    instance: Arc<Instance>,
    until: DateTime<Utc>,
    /// Only a former process knew it, however long ago: its address may be somebody else's by now.
    is_hearsay: bool,
}

impl Memory {
    /// Begin with what a former process knew. Once the registry has answered, it holds for a while longer, but only for
    /// an application of which the registry knows nobody.
    pub(super) fn remembered(instances: Vec<Arc<Instance>>) -> Self {
        Self {
            listed: instances,
            ..Self::default()
        }
    }

    /// Take in what a registry of the life `epoch` lists. `gap`: contact was lost since the last answer,
    /// which matters only for a registry that does not tell one life of it from the next.
    pub(super) fn learn(&mut self, heard: Heard, gap: bool, now: DateTime<Utc>, keep: TimeDelta) {
        let lost_its_memory = match (&self.epoch, &heard.epoch) {
            (None, None) => gap,
            (former, present) => former != present,
        };
        let former = std::mem::replace(&mut self.listed, heard.instances);
        if lost_its_memory {
            let is_hearsay = !self.has_heard;
            self.held.extend(former.into_iter().map(|instance| Held {
                instance,
                until: now + keep,
                is_hearsay,
            }));
        }
        self.has_heard = true;
        self.version = heard.version;
        self.epoch = heard.epoch;
        self.forget(now);
    }

    /// Drop what has been believed in long enough, or is listed again.
    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
        if self.held.is_empty() {
            return;
        }
        let ids: HashSet<_> = self.listed.iter().map(|known| (&known.app, &known.id)).collect();
        let addresses: HashSet<_> = self
            .listed
            .iter()
            .map(|known| (&known.app, known.address))
            .collect();
        let up = self.listed.iter().filter(|known| known.status == Status::Up);
        let served: HashSet<_> = up.map(|known| &known.app).collect();
        self.held.retain(|held| {
            let known = &held.instance;
            let is_back =
                ids.contains(&(&known.app, &known.id)) || addresses.contains(&(&known.app, known.address));
            let is_needless = held.is_hearsay && served.contains(&known.app);
            held.until > now && !is_back && !is_needless
        });
    }

    /// When [`Memory::forget`] will next have something to do.
    pub(super) fn next_forgetting(&self) -> Option<DateTime<Utc>> {
        self.held.iter().map(|held| held.until).min()
    }

    pub(super) fn position(&self) -> Option<(u64, &str)> {
        Some((self.version, self.epoch.as_deref()?))
    }

    pub(super) fn view(&self) -> View {
        let held = self.held.iter().map(|held| Arc::clone(&held.instance));
        View::new(self.version, self.listed.iter().cloned().chain(held).collect())
    }
}

/// One answer of a registry.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) version: u64,
    pub(super) epoch: Option<String>,
    pub(super) instances: Vec<Arc<Instance>>,
}
