//! Changes as servers of one registry tell each other, many at a time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Unreadable};
use super::json;
use crate::domain::draft::Draft;
use crate::domain::lease::Lease;
use crate::domain::registry::{Key, Told};
use crate::domain::status::Status;

/// What one server tells another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The life of the server that tells, when it was asked: by this a server recognises itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// In the order in which it happened.
    pub replication_list: Vec<Item>,
}

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Application.
    pub app_name: String,
    /// Instance.
    pub id: String,
    /// When the instance last changed its mind about itself.
    #[serde(default)]
    pub last_dirty_timestamp: Option<i64>,
    /// What an operator says.
    #[serde(default)]
    pub overridden_status: Option<String>,
    /// The status that counts, or that is set.
    #[serde(default)]
    pub status: Option<String>,
    /// For a registration.
    #[serde(default)]
    pub instance_info: Option<Value>,
    /// How old the news is.
    #[serde(default)]
    pub ages: Ages,
    /// What happened.
    pub action: Action,
}

/// How long ago something happened, in milliseconds: the clocks of two servers need not agree. What is missing has
/// just happened.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ages {
    /// The instance was last heard of, or left.
    pub heard_ms: Option<i64>,
    /// Its description last changed.
    pub changed_ms: Option<i64>,
    /// An operator last spoke of it, or took a word back. If missing, no operator has been heard of.
    pub overridden_ms: Option<i64>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The instance is alive.
    Heartbeat,
    /// It registered.
    Register,
    /// It left.
    Cancel,
    /// An operator spoke.
    StatusUpdate,
    /// An operator took it back.
    DeleteStatusOverride,
}

/// The answers, in the same order.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replies {
    /// One for each item.
    pub response_list: Vec<Reply>,
}

/// How one change was received.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// As if it had come alone.
    pub status_code: u16,
    /// The receiver's copy, when it is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_entity: Option<Value>,
    /// How old the copy is.
    #[serde(default)]
    pub ages: Ages,
}

impl Ages {
    /// All that is known of `lease`.
    pub fn of(lease: &Lease, now: DateTime<Utc>) -> Self {
        Self {
            heard_ms: Some(age(lease.renewed_at, now)),
            changed_ms: Some(age(lease.updated_at, now)),
            overridden_ms: lease.overridden_at.map(|at| age(at, now)),
        }
    }

    /// When that was.
    pub fn before(self, now: DateTime<Utc>) -> Told {
        let at = |age: i64| {
            let age = TimeDelta::try_milliseconds(age.max(0));
            // Older than any date can tell.
            age.and_then(|age| now.checked_sub_signed(age))
                .unwrap_or(DateTime::<Utc>::MIN_UTC)
        };
        Told {
            heard_at: self.heard_ms.map_or(now, at),
            changed_at: self.changed_ms.map_or(now, at),
            overridden_at: self.overridden_ms.map(at),
        }
    }
}

fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (now - at).num_milliseconds().max(0)
}

impl Item {
    /// Everything about an instance: its own word, and an operator's beside it.
    pub fn registration(lease: &Lease, now: DateTime<Utc>) -> Self {
        let instance = &lease.instance;
        Self {
            app_name: instance.app.to_string(),
            id: instance.id.to_string(),
            last_dirty_timestamp: Some(instance.last_dirty),
            overridden_status: lease.override_status.map(|status| status.as_str().to_owned()),
            status: Some(lease.status().as_str().to_owned()),
            instance_info: Some(json::instance_value(&lease.in_its_own_words())),
            ages: Ages::of(lease, now),
            action: Action::Register,
        }
    }

    /// It left this many milliseconds ago.
    pub fn departure((app, id): Key<'_>, age_ms: Option<i64>) -> Self {
        Self {
            app_name: app.to_string(),
            id: id.to_string(),
            last_dirty_timestamp: None,
            overridden_status: None,
            status: None,
            instance_info: None,
            ages: Ages {
                heard_ms: age_ms,
                ..Ages::default()
            },
            action: Action::Cancel,
        }
    }

    /// The registration inside.
    pub fn draft(&self) -> Result<Draft, Unreadable> {
        let info = self.instance_info.as_ref().ok_or(Unreadable)?;
        fields::draft(info.get("instance").unwrap_or(info))
    }

    /// What is set by [`Action::StatusUpdate`], or holds after [`Action::DeleteStatusOverride`].
    pub fn new_status(&self) -> Option<Status> {
        self.status.as_deref().and_then(Status::parse)
    }
}
