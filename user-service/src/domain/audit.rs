//! What is remembered of every account and security event.

mod chain;

use common::ids::{SessionId, UserId};
use serde_json::{Map, Value};

pub use chain::{BEGINNING, Broken, Mark, NoMark, Row, Verification};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused.
    Refused,
}

impl Outcome {
    /// As in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Refused => "REFUSED",
        }
    }
}

/// One thing that happened. Ids, statuses and reasons only: no names, addresses of mail, or secrets.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Such as `login` or `user.role_changed`.
    pub action: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it, if known.
    pub actor: Option<UserId>,
    /// Whose account it concerns, if known.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From which network address.
    pub address: Option<String>,
    /// What else matters.
    pub details: Map<String, Value>,
}

impl Entry {
    /// Something that was done.
    pub fn done(action: &'static str) -> Self {
        Self {
            action,
            outcome: Outcome::Success,
            actor: None,
            user: None,
            session: None,
            address: None,
            details: Map::new(),
        }
    }

    /// Something that was refused, and why.
    pub fn refused(action: &'static str, reason: &str) -> Self {
        Self {
            outcome: Outcome::Refused,
            ..Self::done(action)
        }
        .with("reason", reason)
    }

    /// Done by `actor`.
    #[must_use]
    pub fn by(mut self, actor: UserId) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Concerns the account of `user`.
    #[must_use]
    pub fn about(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// In `session`.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// From the network `address`.
    #[must_use]
    pub fn from(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}
