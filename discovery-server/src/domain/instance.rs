//! An instance as its registrant describes it, every field checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::names::{AppName, InstanceId};
use super::status::Status;

/// Where and what an instance is. Made only by [`super::draft::Draft::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its application.
    pub app: AppName,
    /// Its id.
    pub id: InstanceId,
    /// The registrant chose the id. If not, it is not shown: some readers refuse what they did not write.
    pub id_given: bool,
    /// A host name, or the address again.
    pub host_name: Arc<str>,
    /// The address.
    pub ip_addr: IpAddr,
    /// A session id of old clients.
    pub sid: Option<String>,
    /// What the instance says of itself.
    pub status: Status,
    /// The plain port.
    pub port: Port,
    /// The TLS port.
    pub secure_port: Port,
    /// A number without meaning that readers expect.
    pub country_id: u32,
    /// Where it runs.
    pub data_center: DataCenter,
    /// How long its silence is tolerated.
    pub terms: Terms,
    /// Free pairs.
    pub metadata: BTreeMap<String, String>,
    /// Free texts that readers know by name.
    pub links: Links,
    /// It is a registry server itself.
    pub is_coordinating: bool,
    /// When the instance last changed its mind about itself, in milliseconds, by its own clock.
    pub last_dirty: i64,
}

/// A port that may be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Whether it is open.
    pub enabled: bool,
}

/// The only two data centres that every reader understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataCenter {
    /// Any.
    MyOwn,
    /// Amazon's, with what Amazon tells of the machine.
    Amazon(BTreeMap<String, String>),
}

/// The terms of a lease, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How often the instance says it will renew.
    pub renewal_interval_s: u32,
    /// How long it may be silent.
    pub duration_s: u32,
}

/// The optional texts of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Group of applications.
    pub app_group_name: Option<String>,
    /// Page for people.
    pub home_page_url: Option<String>,
    /// Page that tells what it is.
    pub status_page_url: Option<String>,
    /// Page that tells whether it works.
    pub health_check_url: Option<String>,
    /// The same over TLS.
    pub secure_health_check_url: Option<String>,
    /// Names under which callers look for it, separated by commas.
    pub vip_address: Option<String>,
    /// The same over TLS.
    pub secure_vip_address: Option<String>,
    /// Auto scaling group.
    pub asg_name: Option<String>,
}

impl Instance {
    /// The zone in which it says it runs.
    pub fn zone(&self) -> Option<&str> {
        let said = match &self.data_center {
            DataCenter::Amazon(facts) => facts.get("availability-zone"),
            DataCenter::MyOwn => None,
        };
        said.or_else(|| self.metadata.get("zone")).map(String::as_str)
    }

    /// Whether `vip` is among the names under which callers look for it.
    pub fn answers_to(&self, vip: &str, secure: bool) -> bool {
        let names = if secure {
            &self.links.secure_vip_address
        } else {
            &self.links.vip_address
        };
        names
            .as_deref()
            .is_some_and(|names| names.split(',').any(|name| name.eq_ignore_ascii_case(vip)))
    }
}
