//! Fetches of the registry, written once for each state of it and kept until the next.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::OnceCell;

use crate::board::Board;
use crate::domain::lease::{Lease, Shown};
use crate::domain::names::AppName;
use crate::domain::registry::{Instances, Registry};
use crate::domain::status::hash_of;
use crate::wire::{self, Applications, Detail, Format};

/// Beyond this, writing a body takes long enough to be moved away from those who serve.
const LARGE: usize = 200;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    All,
    /// What changed in the last three minutes.
    Delta,
}

impl Scope {
    fn state(self, registry: &Registry) -> u64 {
        match self {
            Self::All => registry.version(),
            Self::Delta => registry.changes().revision(),
        }
    }
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// JSON or XML.
    pub format: Format,
    /// How much of it.
    pub detail: Detail,
    /// For the long poll: JSON with version and epoch around it.
    pub is_push: bool,
    /// Compressed.
    pub gzip: bool,
}

/// One state of the registry, or of its recent changes, and its bodies as far as anybody has asked.
pub struct Listing {
    version: u64,
    /// What tells this state of its scope from all others.
    state: u64,
    content: Applications,
    bodies: [OnceCell<Bytes>; Form::COUNT],
}

/// The newest listing of each scope.
#[derive(Default)]
pub struct Cache {
    all: Mutex<Option<Arc<Listing>>>,
    delta: Mutex<Option<Arc<Listing>>>,
}

impl Form {
    const COUNT: usize = 16;

    /// Plain, uncompressed.
    pub fn plain(format: Format, detail: Detail) -> Self {
        Self {
            format,
            detail,
            is_push: false,
            gzip: false,
        }
    }

    fn index(self) -> usize {
        usize::from(self.format == Format::Xml)
            + 2 * usize::from(self.detail == Detail::Compact)
            + 4 * usize::from(self.is_push)
            + 8 * usize::from(self.gzip)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.index())
    }
}

impl Cache {
    /// The listing of the registry as it is now.
    pub fn current(&self, board: &Board, scope: Scope) -> Arc<Listing> {
        let slot = match scope {
            Scope::All => &self.all,
            Scope::Delta => &self.delta,
        };
        // Whoever comes while a new one is being made waits for it rather than making another.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        board.read(|registry| {
            let state = scope.state(registry);
            match &*slot {
                Some(listing) if listing.state == state => Arc::clone(listing),
                _ => Arc::clone(slot.insert(Arc::new(Listing::new(registry, scope)))),
            }
        })
    }
}

impl Listing {
    fn new(registry: &Registry, scope: Scope) -> Self {
        let state = scope.state(registry);
        let content = Applications {
            version: match scope {
                Scope::All => 1,
                // Readers that hold it in 16 bits have to be able to.
                Scope::Delta => i16::try_from(state % 32_767 + 1).unwrap_or(1),
            },
            hash: hash_of(registry.leases().map(Lease::status)),
            apps: match scope {
                Scope::All => everybody(registry),
                Scope::Delta => by_application(registry.changes().iter()),
            },
        };
        Self {
            version: registry.version(),
            state,
            content,
            bodies: Default::default(),
        }
    }

    /// Differs whenever the content does, within one life of the server.
    pub fn tag(&self) -> u64 {
        self.state
    }

    /// The content in this form; written by whoever asks first, the others wait.
    pub async fn body(self: &Arc<Self>, board: &Arc<Board>, form: Form) -> Bytes {
        let write = || async {
            let (listing, board) = (Arc::clone(self), Arc::clone(board));
            if self.size() <= LARGE {
                return listing.write(board.epoch(), form);
            }
            let written = tokio::task::spawn_blocking(move || listing.write(board.epoch(), form)).await;
            // Fails only when writing panicked; an empty body is then a smaller evil than a second panic.
            written.unwrap_or_default()
        };
        self.bodies[form.index()].get_or_init(write).await.clone()
    }

    fn size(&self) -> usize {
        self.content
            .apps
            .iter()
            .map(|(_, instances)| instances.len())
            .sum()
    }

    fn write(&self, epoch: &str, form: Form) -> Bytes {
        let mut body = wire::applications(form.format, form.detail, &self.content);
        if form.is_push {
            body = wire::json::changes(self.version, epoch, &body);
        }
        if form.gzip {
            gzip(&body).into()
        } else {
            body.into()
        }
    }
}

/// Compressed for the wire: quickly rather than tightly.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

fn everybody(registry: &Registry) -> Vec<(AppName, Vec<Shown>)> {
    let shown = |instances: &Instances| instances.values().map(Lease::shown).collect();
    registry
        .apps()
        .iter()
        .map(|(name, instances)| (name.clone(), shown(instances)))
        .collect()
}

/// Changes grouped by application, each group in the order in which they happened.
fn by_application<'a>(changes: impl Iterator<Item = &'a Shown>) -> Vec<(AppName, Vec<Shown>)> {
    let mut groups: BTreeMap<AppName, Vec<Shown>> = BTreeMap::new();
    for shown in changes {
        groups
            .entry(shown.instance.app.clone())
            .or_default()
            .push(shown.clone());
    }
    groups.into_iter().collect()
}
