//! Changes as servers of one registry tell each other, many at a time.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Unreadable};
use crate::domain::draft::Draft;
use crate::domain::status::Status;

/// What one server tells another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
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
    /// What happened.
    pub action: Action,
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
}

impl Item {
    /// The registration inside.
    pub fn draft(&self) -> Result<Draft, Unreadable> {
        read_value(self.instance_info.as_ref().ok_or(Unreadable)?)
    }

    /// What is set by [`Action::StatusUpdate`].
    pub fn new_status(&self) -> Option<Status> {
        self.status.as_deref().and_then(Status::parse)
    }
}

/// Read an instance that stands inside another document.
pub fn read_value(value: &Value) -> Result<Draft, Unreadable> {
    fields::draft(value.get("instance").unwrap_or(value))
}
