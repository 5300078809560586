//! An instance in the words of the wire: one list of fields, in order, for both formats.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::Detail;
use crate::domain::instance::{DataCenter, Port};
use crate::domain::lease::{Action, Shown};
use crate::domain::status::Status;

/// What readers take for a map without entries.
pub(super) const EMPTY_MAP: &str = "java.util.Collections$EmptyMap";

/// An instance as it is written. Nothing that a registrant made up is added to it: readers choke on fields
/// that they do not know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance_id: Option<&'a str>,
    pub(super) host_name: &'a str,
    pub(super) app: &'a str,
    pub(super) ip_addr: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<&'a str>,
    pub(super) status: &'static str,
    #[serde(rename = "overriddenstatus", skip_serializing_if = "Option::is_none")]
    pub(super) overridden: Option<&'static str>,
    pub(super) port: PortView,
    pub(super) secure_port: PortView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country_id: Option<u32>,
    pub(super) data_center_info: DataCenterView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_info: Option<LeaseView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Pairs<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) home_page_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_page_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health_check_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secure_health_check_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secure_vip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_coordinating_discovery_server: Option<&'static str>,
    pub(super) last_updated_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_dirty_timestamp: Option<String>,
    pub(super) action_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asg_name: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct PortView {
    #[serde(rename = "$")]
    pub(super) number: u16,
    #[serde(rename = "@enabled")]
    pub(super) enabled: &'static str,
}

#[derive(Serialize)]
pub(super) struct DataCenterView<'a> {
    #[serde(rename = "@class")]
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Pairs<'a>>,
}

/// Free pairs; when there are none, what readers take for that.
pub(super) struct Pairs<'a>(pub(super) &'a BTreeMap<String, String>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaseView {
    pub(super) renewal_interval_in_secs: u32,
    pub(super) duration_in_secs: u32,
    pub(super) registration_timestamp: i64,
    pub(super) last_renewal_timestamp: i64,
    pub(super) eviction_timestamp: i64,
    pub(super) service_up_timestamp: i64,
}

impl<'a> InstanceView<'a> {
    pub(super) fn new(shown: &'a Shown, detail: Detail) -> Self {
        let (instance, links) = (&shown.instance, &shown.instance.links);
        let full = detail == Detail::Full;
        let only_full = |text: &'a Option<String>| text.as_deref().filter(|_| full);
        Self {
            instance_id: instance.id_given.then(|| instance.id.as_str()),
            host_name: &instance.host_name,
            app: instance.app.as_str(),
            ip_addr: instance.ip_addr,
            sid: only_full(&instance.sid),
            status: shown.status.as_str(),
            overridden: full.then(|| shown.override_status.unwrap_or(Status::Unknown).as_str()),
            port: PortView::new(instance.port),
            secure_port: PortView::new(instance.secure_port),
            country_id: full.then_some(instance.country_id),
            data_center_info: DataCenterView::new(&instance.data_center),
            lease_info: full.then(|| LeaseView::new(shown)),
            metadata: full.then_some(Pairs(&instance.metadata)),
            app_group_name: only_full(&links.app_group_name),
            home_page_url: only_full(&links.home_page_url),
            status_page_url: only_full(&links.status_page_url),
            health_check_url: only_full(&links.health_check_url),
            secure_health_check_url: only_full(&links.secure_health_check_url),
            vip_address: links.vip_address.as_deref(),
            secure_vip_address: links.secure_vip_address.as_deref(),
            is_coordinating_discovery_server: full.then(|| word(instance.is_coordinating)),
            last_updated_timestamp: shown.updated_ms.to_string(),
            last_dirty_timestamp: full.then(|| instance.last_dirty.to_string()),
            action_type: action(shown.action),
            asg_name: links.asg_name.as_deref(),
        }
    }
}

impl PortView {
    fn new(port: Port) -> Self {
        Self {
            number: port.number,
            enabled: word(port.enabled),
        }
    }
}

impl<'a> DataCenterView<'a> {
    fn new(center: &'a DataCenter) -> Self {
        match center {
            DataCenter::MyOwn => Self {
                class: "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
                name: "MyOwn",
                metadata: None,
            },
            DataCenter::Amazon(facts) => Self {
                class: "com.netflix.appinfo.AmazonInfo",
                name: "Amazon",
                metadata: Some(Pairs(facts)),
            },
        }
    }
}

impl LeaseView {
    fn new(shown: &Shown) -> Self {
        Self {
            renewal_interval_in_secs: shown.instance.terms.renewal_interval_s,
            duration_in_secs: shown.instance.terms.duration_s,
            registration_timestamp: shown.registered_ms,
            last_renewal_timestamp: shown.renewed_ms,
            eviction_timestamp: shown.evicted_ms,
            service_up_timestamp: shown.up_since_ms,
        }
    }
}

fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Added => "ADDED",
        Action::Modified => "MODIFIED",
        Action::Deleted => "DELETED",
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            writer.collect_map([("@class", EMPTY_MAP)])
        } else {
            self.0.serialize(writer)
        }
    }
}
