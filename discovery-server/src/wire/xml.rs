//! Writing XML.

use std::collections::BTreeMap;

use quick_xml::escape::escape;

use super::view::{DataCenterView, EMPTY_MAP, InstanceView, LeaseView, PortView};
use super::xml_names;
use super::{Applications, Detail};
use crate::domain::lease::Shown;
use crate::domain::names::AppName;

/// `<applications>…`
pub fn applications(list: &Applications, detail: Detail) -> Vec<u8> {
    let mut out = Writer::default();
    out.open("applications");
    out.leaf("versions__delta", &list.version.to_string());
    out.leaf("apps__hashcode", &list.hash);
    for (name, instances) in &list.apps {
        out.application(name, instances, detail);
    }
    out.close("applications");
    out.0.into_bytes()
}

/// `<application>…`
pub fn application(name: &AppName, instances: &[Shown], detail: Detail) -> Vec<u8> {
    let mut out = Writer::default();
    out.application(name, instances, detail);
    out.0.into_bytes()
}

/// `<instance>…`
pub fn instance(shown: &Shown, detail: Detail) -> Vec<u8> {
    let mut out = Writer::default();
    out.instance(&InstanceView::new(shown, detail));
    out.0.into_bytes()
}

/// `<error><message>…`
pub fn error(message: &str) -> Vec<u8> {
    let mut out = Writer::default();
    out.open("error");
    out.leaf("message", message);
    out.close("error");
    out.0.into_bytes()
}

/// Writes elements whose names are known to be names.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) String);

impl Writer {
    pub(crate) fn open(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.0.push_str(&escape(text));
        self.close(name);
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    pub(crate) fn pairs(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if map.is_empty() {
            self.0.extend(["<", name, " class=\"", EMPTY_MAP, "\"/>"]);
            return;
        }
        self.open(name);
        for (key, value) in map {
            self.leaf(&xml_names::escape(key), value);
        }
        self.close(name);
    }

    fn application(&mut self, name: &AppName, instances: &[Shown], detail: Detail) {
        self.open("application");
        self.leaf("name", name.as_str());
        for shown in instances {
            self.instance(&InstanceView::new(shown, detail));
        }
        self.close("application");
    }

    fn instance(&mut self, view: &InstanceView<'_>) {
        self.open("instance");
        self.optional("instanceId", view.instance_id);
        self.leaf("hostName", view.host_name);
        self.leaf("app", view.app);
        self.leaf("ipAddr", &view.ip_addr.to_string());
        self.optional("sid", view.sid);
        self.leaf("status", view.status);
        self.optional("overriddenstatus", view.overridden);
        self.port("port", &view.port);
        self.port("securePort", &view.secure_port);
        self.optional("countryId", view.country_id.map(|id| id.to_string()).as_deref());
        self.data_center(&view.data_center_info);
        if let Some(lease) = &view.lease_info {
            self.lease(lease);
        }
        if let Some(metadata) = &view.metadata {
            self.pairs("metadata", metadata.0);
        }
        self.links(view);
        self.optional(
            "isCoordinatingDiscoveryServer",
            view.is_coordinating_discovery_server,
        );
        self.leaf("lastUpdatedTimestamp", &view.last_updated_timestamp);
        self.optional("lastDirtyTimestamp", view.last_dirty_timestamp.as_deref());
        self.leaf("actionType", view.action_type);
        self.optional("asgName", view.asg_name);
        self.close("instance");
    }

    fn links(&mut self, view: &InstanceView<'_>) {
        self.optional("appGroupName", view.app_group_name);
        self.optional("homePageUrl", view.home_page_url);
        self.optional("statusPageUrl", view.status_page_url);
        self.optional("healthCheckUrl", view.health_check_url);
        self.optional("secureHealthCheckUrl", view.secure_health_check_url);
        self.optional("vipAddress", view.vip_address);
        self.optional("secureVipAddress", view.secure_vip_address);
    }

    fn port(&mut self, name: &str, port: &PortView) {
        let number = port.number.to_string();
        self.0.extend([
            "<",
            name,
            " enabled=\"",
            port.enabled,
            "\">",
            &number,
            "</",
            name,
            ">",
        ]);
    }

    fn data_center(&mut self, center: &DataCenterView<'_>) {
        self.0.extend(["<dataCenterInfo class=\"", center.class, "\">"]);
        self.leaf("name", center.name);
        if let Some(facts) = &center.metadata {
            self.pairs("metadata", facts.0);
        }
        self.close("dataCenterInfo");
    }

    fn lease(&mut self, lease: &LeaseView) {
        self.open("leaseInfo");
        self.leaf(
            "renewalIntervalInSecs",
            &lease.renewal_interval_in_secs.to_string(),
        );
        self.leaf("durationInSecs", &lease.duration_in_secs.to_string());
        self.leaf("registrationTimestamp", &lease.registration_timestamp.to_string());
        self.leaf("lastRenewalTimestamp", &lease.last_renewal_timestamp.to_string());
        self.leaf("evictionTimestamp", &lease.eviction_timestamp.to_string());
        self.leaf("serviceUpTimestamp", &lease.service_up_timestamp.to_string());
        self.close("leaseInfo");
    }
}
