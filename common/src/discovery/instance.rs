//! One instance of a service, as a reader of the registry sees it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What an instance, or an operator on its behalf, says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Ready for traffic.
    Up,
    /// Not working.
    Down,
    /// Not yet ready.
    Starting,
    /// Taken out of rotation on purpose.
    OutOfService,
    /// Anything else.
    #[serde(other)]
    Unknown,
}

/// An address that serves an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Upper-cased application name.
    pub app: String,
    /// Unique within the application.
    pub id: String,
    /// The registered IP address, never a name: a name could be made to point elsewhere after it was checked.
    pub address: SocketAddr,
    /// Whether the address speaks TLS.
    pub secure: bool,
    /// The status that counts, overrides included.
    pub status: Status,
    /// Grows when the instance registers anew: a verdict on its former life no longer holds.
    pub generation: i64,
    /// Free pairs.
    pub metadata: BTreeMap<String, String>,
}

impl Instance {
    /// `http://address` or `https://address`, without a trailing slash.
    pub fn base_url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(super) fn fixed(app: &str, address: SocketAddr) -> Self {
        Self {
            app: app.to_owned(),
            id: address.to_string(),
            address,
            secure: false,
            status: Status::Up,
            generation: 0,
            metadata: BTreeMap::new(),
        }
    }
}
