//! Who changes the registry.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::names::AppName;

/// What a credential permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The application of the credential's own name, and of that only what the credential made.
    OwnApplication,
    /// Every application.
    Everything,
    /// Every application, in the name of its makers: another server of this registry.
    Replication,
}

/// The credential behind a change and the address it came from.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The credential's name.
    pub name: Arc<str>,
    /// What it permits.
    pub power: Power,
    /// The peer of the connection.
    pub from: Option<IpAddr>,
}

impl Actor {
    /// Whether this credential may touch `app` at all.
    pub fn may_register(&self, app: &AppName) -> bool {
        self.power != Power::OwnApplication || app.is_named(&self.name)
    }

    /// Whether what `owner` made is this credential's to change.
    pub fn may_change(&self, owner: &str) -> bool {
        self.power != Power::OwnApplication || *self.name == *owner
    }

    /// Whose the instance is that this credential registers.
    pub fn owner_of(&self, app: &AppName) -> Arc<str> {
        match self.power {
            Power::Replication => app.as_str().to_ascii_lowercase().into(),
            Power::OwnApplication | Power::Everything => Arc::clone(&self.name),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "{} at {from}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
