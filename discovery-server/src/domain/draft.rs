//! A registration as it arrived, and what has to be true of it before others may read it.

use std::collections::BTreeMap;

use super::address::{AddressPolicy, BadAddress};
use super::instance::{DataCenter, Instance, Links, Port, Terms};
use super::names::{AppName, BadName, InstanceId};
use super::status::Status;

const DEFAULT_PORT: Port = Port {
    number: 7001,
    enabled: true,
};
const DEFAULT_SECURE_PORT: Port = Port {
    number: 7002,
    enabled: false,
};
const DEFAULT_RENEWAL_S: i64 = 30;
const DEFAULT_DURATION_S: i64 = 90;
const LONGEST_LEASE_S: i64 = 86_400;
const LONGEST_TEXT: usize = 256;
const LONGEST_URL: usize = 1024;

/// What a registrant sent: nothing is known of it yet.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// `instanceId`.
    pub instance_id: Option<String>,
    /// `app`.
    pub app: Option<String>,
    /// `hostName`.
    pub host_name: Option<String>,
    /// `ipAddr`.
    pub ip_addr: Option<String>,
    /// `sid`.
    pub sid: Option<String>,
    /// `status`.
    pub status: Option<String>,
    /// `overriddenstatus`: believed only of another server of this registry.
    pub overridden: Option<String>,
    /// `port`.
    pub port: Option<Port>,
    /// `securePort`.
    pub secure_port: Option<Port>,
    /// `countryId`.
    pub country_id: Option<i64>,
    /// `dataCenterInfo`.
    pub data_center: Option<DraftDataCenter>,
    /// `leaseInfo.renewalIntervalInSecs`.
    pub renewal_interval_s: Option<i64>,
    /// `leaseInfo.durationInSecs`.
    pub duration_s: Option<i64>,
    /// `metadata`.
    pub metadata: BTreeMap<String, String>,
    /// The optional texts.
    pub links: Links,
    /// `isCoordinatingDiscoveryServer`.
    pub is_coordinating: bool,
    /// `lastDirtyTimestamp`.
    pub last_dirty: Option<i64>,
}

/// `dataCenterInfo` as it arrived.
#[derive(Clone, Debug, Default)]
pub struct DraftDataCenter {
    /// `name`.
    pub name: Option<String>,
    /// `metadata`.
    pub metadata: BTreeMap<String, String>,
}

/// What every registration is measured against.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Addresses, host names, links and ports.
    pub addresses: AddressPolicy,
    /// Pairs of metadata that an instance may have.
    pub metadata_entries: usize,
    /// Bytes that all of its metadata may have together.
    pub metadata_bytes: usize,
}

/// Why a registration is refused. The first seven texts are those that clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No id, and nothing to make one of.
    #[error("Missing instanceId")]
    NoId,
    /// No host.
    #[error("Missing hostname")]
    NoHost,
    /// No address.
    #[error("Missing ip address")]
    NoAddress,
    /// No application.
    #[error("Missing appName")]
    NoApp,
    /// Another application than the path names.
    #[error("Mismatched appName, expecting {expected} but was {found}")]
    OtherApp {
        /// As in the path.
        expected: AppName,
        /// As in the body.
        found: AppName,
    },
    /// No data centre.
    #[error("Missing dataCenterInfo")]
    NoDataCenter,
    /// A data centre without a name.
    #[error("Missing dataCenterInfo Name")]
    NoDataCenterName,
    /// A data centre that would break readers.
    #[error("dataCenterInfo name must be MyOwn, Netflix or Amazon")]
    UnknownDataCenter,
    /// A name with other characters than permitted.
    #[error("{0}")]
    Name(#[from] BadName),
    /// An address that may not be registered.
    #[error("{field}: {why}")]
    Address {
        /// Which field.
        field: &'static str,
        /// Why not.
        why: BadAddress,
    },
    /// A text that is too long or holds control characters.
    #[error("{0} is too long or holds control characters")]
    Text(&'static str),
    /// A number that makes no sense.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// More metadata than an instance may have.
    #[error("metadata is too large")]
    TooMuchMetadata,
}

impl Draft {
    /// The instance, if all of it is fit to be read by others.
    pub fn check(self, path: &AppName, rules: &Rules, now_ms: i64) -> Result<Instance, Invalid> {
        let host_name = given(self.host_name).ok_or(Invalid::NoHost)?;
        let ip_text = given(self.ip_addr).ok_or(Invalid::NoAddress)?;
        let app = AppName::parse(&given(self.app).ok_or(Invalid::NoApp)?)?;
        if app != *path {
            return Err(Invalid::OtherApp {
                expected: path.clone(),
                found: app,
            });
        }
        let data_center = self.data_center.ok_or(Invalid::NoDataCenter)?.check(rules)?;
        check_metadata(&self.metadata, rules)?;
        let chosen = given(self.instance_id).or_else(|| made_id(&data_center, &self.metadata, &host_name));
        let id = InstanceId::parse(chosen.as_deref().unwrap_or(&host_name))?;
        let ip_addr = rules.addresses.address(&ip_text).map_err(in_field("ipAddr"))?;
        rules
            .addresses
            .host(&host_name, ip_addr)
            .map_err(in_field("hostName"))?;
        let (port, secure_port) = (
            self.port.unwrap_or(DEFAULT_PORT),
            self.secure_port.unwrap_or(DEFAULT_SECURE_PORT),
        );
        rules.addresses.port(port).map_err(in_field("port"))?;
        rules
            .addresses
            .port(secure_port)
            .map_err(in_field("securePort"))?;
        Ok(Instance {
            app,
            id,
            id_given: chosen.is_some(),
            host_name: host_name.into(),
            ip_addr,
            sid: check_sid(self.sid)?,
            status: self
                .status
                .map_or(Status::Up, |text| Status::parse(&text).unwrap_or(Status::Unknown)),
            port,
            secure_port,
            country_id: u32::try_from(self.country_id.unwrap_or(1))
                .map_err(|_| Invalid::Range("countryId"))?,
            data_center,
            terms: terms(self.renewal_interval_s, self.duration_s)?,
            metadata: self.metadata,
            links: check_links(self.links, &rules.addresses)?,
            is_coordinating: self.is_coordinating,
            last_dirty: self.last_dirty.unwrap_or(now_ms).max(0),
        })
    }
}

impl DraftDataCenter {
    fn check(self, rules: &Rules) -> Result<DataCenter, Invalid> {
        check_metadata(&self.metadata, rules)?;
        match given(self.name).ok_or(Invalid::NoDataCenterName)?.as_str() {
            // Some readers drop the whole registry at the sight of `Netflix`, and it means nothing to anybody.
            "MyOwn" | "Netflix" => Ok(DataCenter::MyOwn),
            "Amazon" if self.metadata.is_empty() => Ok(DataCenter::MyOwn),
            "Amazon" => Ok(DataCenter::Amazon(self.metadata)),
            _ => Err(Invalid::UnknownDataCenter),
        }
    }
}

/// Whether `metadata` may be shown to others; also asked when single pairs are added later.
pub fn check_metadata(metadata: &BTreeMap<String, String>, rules: &Rules) -> Result<(), Invalid> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata.len() > rules.metadata_entries || bytes > rules.metadata_bytes {
        return Err(Invalid::TooMuchMetadata);
    }
    let is_key = |key: &str| {
        !key.is_empty()
            && key.len() <= 128
            && key
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>&\"'".contains(&b))
            // To readers, such a key is an attribute of the map and not an entry.
            && !key.starts_with('@')
    };
    let fits = metadata.iter().all(|(key, value)| is_key(key) && is_text(value));
    if fits {
        Ok(())
    } else {
        Err(Invalid::Text("metadata"))
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn in_field(field: &'static str) -> impl Fn(BadAddress) -> Invalid {
    move |why| Invalid::Address { field, why }
}

/// The id of a registrant that sent none but something it can be told by.
fn made_id(center: &DataCenter, metadata: &BTreeMap<String, String>, host: &str) -> Option<String> {
    if let Some(suffix) = metadata.get("instanceId") {
        return Some(format!("{host}:{suffix}"));
    }
    match center {
        DataCenter::Amazon(facts) => facts.get("instance-id").cloned(),
        DataCenter::MyOwn => None,
    }
}

fn terms(renewal: Option<i64>, duration: Option<i64>) -> Result<Terms, Invalid> {
    let within = |value: i64, field| match u32::try_from(value) {
        Ok(seconds) if (1..=LONGEST_LEASE_S).contains(&value) => Ok(seconds),
        _ => Err(Invalid::Range(field)),
    };
    Ok(Terms {
        renewal_interval_s: within(renewal.unwrap_or(DEFAULT_RENEWAL_S), "renewalIntervalInSecs")?,
        duration_s: within(duration.unwrap_or(DEFAULT_DURATION_S), "durationInSecs")?,
    })
}

fn check_sid(sid: Option<String>) -> Result<Option<String>, Invalid> {
    match given(sid).filter(|sid| sid != "na") {
        Some(sid) if sid.len() > LONGEST_TEXT || !is_text(&sid) => Err(Invalid::Text("sid")),
        sid => Ok(sid),
    }
}

fn check_links(links: Links, addresses: &AddressPolicy) -> Result<Links, Invalid> {
    let text = |field, text: Option<String>| match given(text) {
        Some(text) if text.len() > LONGEST_TEXT || !is_text(&text) => Err(Invalid::Text(field)),
        text => Ok(text),
    };
    let url = |field, text: Option<String>| match given(text) {
        Some(text) if text.len() > LONGEST_URL => Err(Invalid::Text(field)),
        Some(text) => addresses.url(&text).map(|()| Some(text)).map_err(in_field(field)),
        None => Ok(None),
    };
    Ok(Links {
        app_group_name: text("appGroupName", links.app_group_name)?,
        home_page_url: url("homePageUrl", links.home_page_url)?,
        status_page_url: url("statusPageUrl", links.status_page_url)?,
        health_check_url: url("healthCheckUrl", links.health_check_url)?,
        secure_health_check_url: url("secureHealthCheckUrl", links.secure_health_check_url)?,
        vip_address: text("vipAddress", links.vip_address)?,
        secure_vip_address: text("secureVipAddress", links.secure_vip_address)?,
        asg_name: text("asgName", links.asg_name)?,
    })
}

/// No control characters, which XML cannot carry, and none that turn the direction of the text around them.
fn is_text(text: &str) -> bool {
    text.chars().all(|c| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            && !matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

#[cfg(test)]
mod tests;
