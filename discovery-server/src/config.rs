//! The typed settings.

use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

use chrono::TimeDelta;
use common::config::Settings;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::credentials::Credentials;
use crate::domain::address::{AddressPolicy, Cidr};
use crate::domain::draft::Rules;
use crate::domain::registry::{Caps, Preservation};

/// Every setting, with its default.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// The settings of this service.
#[derive(Debug, Clone, Deserialize)]
pub struct RegistrySettings {
    /// Section `discovery`.
    pub discovery: Discovery,
}

/// Section `discovery`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// `name:secret` pairs.
    pub credentials: Option<SecretString>,
    /// Whether readers need one too.
    pub reads_need_credential: bool,
    /// Registrations that one credential may make in a minute.
    pub registrations_per_minute: u32,
    /// Which addresses may be registered.
    pub addresses: Addresses,
    /// How much is taken in.
    pub caps: CapSettings,
    /// When silent instances are kept.
    pub preservation: PreservationSettings,
    /// Where the registry outlives the process.
    pub snapshot: Snapshot,
    /// What people call this environment.
    pub environment: String,
    /// What they call the place where it runs.
    pub data_center: String,
    /// Other servers of this registry.
    pub peers: Vec<SecretString>,
}

/// Section `discovery.addresses`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    allowed: Vec<Cidr>,
    loopback: Loopback,
    domains: Vec<String>,
    #[serde(deserialize_with = "ports")]
    refused_ports: Vec<u16>,
    /// Whether an instance may register only the address that it calls from.
    pub must_equal_peer: bool,
}

#[derive(Debug, Clone, Copy)]
enum Loopback {
    Fixed(bool),
    /// As this server's own listener.
    Auto,
}

/// Section `discovery.caps`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapSettings {
    instances: usize,
    instances_per_app: usize,
    apps: usize,
    metadata_entries: usize,
    metadata_bytes: usize,
}

/// Section `discovery.preservation`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreservationSettings {
    enabled: bool,
    application_minimum: usize,
    registry_minimum: usize,
    share: f64,
    longest_s: u32,
}

/// Section `discovery.snapshot`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The file.
    pub file: Option<PathBuf>,
    /// Seconds after which it says nothing any more.
    pub max_age_s: u32,
}

impl Settings for RegistrySettings {
    fn check(&self) -> Result<(), String> {
        let discovery = &self.discovery;
        Credentials::parse(discovery.credentials.as_ref())
            .map_err(|why| format!("discovery.credentials: {why}"))?;
        let share = discovery.preservation.share;
        if !(share > 0.0 && share < 1.0) {
            return Err("discovery.preservation.share must lie between 0 and 1".to_owned());
        }
        Ok(())
    }
}

impl Discovery {
    /// What registrations are measured against, by a server that listens on `host`.
    pub fn rules(&self, host: &str) -> Rules {
        let listens_on_loopback =
            host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        Rules {
            addresses: AddressPolicy {
                allowed: self.addresses.allowed.clone(),
                loopback: match self.addresses.loopback {
                    Loopback::Fixed(allowed) => allowed,
                    Loopback::Auto => listens_on_loopback,
                },
                is_own: is_own_address,
                domains: self
                    .addresses
                    .domains
                    .iter()
                    .map(|domain| domain.to_ascii_lowercase())
                    .collect(),
                refused_ports: self.addresses.refused_ports.clone(),
            },
            metadata_entries: self.caps.metadata_entries,
            metadata_bytes: self.caps.metadata_bytes,
        }
    }

    /// How much the registry takes in.
    pub fn caps(&self) -> Caps {
        Caps {
            instances: self.caps.instances,
            instances_per_app: self.caps.instances_per_app,
            apps: self.caps.apps,
        }
    }

    /// When silent instances are kept.
    pub fn preservation(&self) -> Preservation {
        let settings = &self.preservation;
        Preservation {
            enabled: settings.enabled,
            application_minimum: settings.application_minimum,
            registry_minimum: settings.registry_minimum,
            share: settings.share,
            longest: TimeDelta::seconds(settings.longest_s.into()),
        }
    }
}

/// Only an address of this machine can be bound. Nothing is sent.
fn is_own_address(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

impl<'de> Deserialize<'de> for Loopback {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Flag(bool),
            Word(String),
        }
        match Given::deserialize(reader)? {
            Given::Flag(allowed) => Ok(Self::Fixed(allowed)),
            Given::Word(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "true" => Ok(Self::Fixed(true)),
                "false" => Ok(Self::Fixed(false)),
                _ => Err(serde::de::Error::custom("must be true, false or auto")),
            },
        }
    }
}

/// Numbers, or texts as the environment has them.
fn ports<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(u16),
        Text(String),
    }
    let given = Vec::<Given>::deserialize(reader)?;
    let port = |given| match given {
        Given::Number(port) => Ok(port),
        Given::Text(text) => text.parse().map_err(|_| serde::de::Error::custom("not a port")),
    };
    given.into_iter().map(port).collect()
}

#[cfg(test)]
mod tests {
    use common::config;

    use super::*;

    fn settings(yaml: &str) -> anyhow::Result<RegistrySettings> {
        let live = config::from_yaml::<RegistrySettings>("discovery-server", &[DEFAULTS, yaml])?;
        Ok(live.current().as_ref().clone())
    }

    #[test]
    fn loopback_follows_the_listener_unless_it_is_set() {
        let loopback = |yaml, host| settings(yaml).unwrap().discovery.rules(host).addresses.loopback;
        let (auto, on, off) = (
            "{}",
            "discovery: {addresses: {loopback: true}}",
            "discovery: {addresses: {loopback: 'false'}}",
        );
        assert!(loopback(auto, "127.0.0.1") && loopback(auto, "localhost") && loopback(auto, "::1"));
        assert!(!loopback(auto, "0.0.0.0") && !loopback(auto, "10.0.0.1"));
        assert!(loopback(on, "0.0.0.0") && !loopback(off, "127.0.0.1"));
    }

    #[test]
    fn an_address_of_this_machine_is_told_from_others() {
        assert!(is_own_address([127, 0, 0, 1].into()));
        assert!(!is_own_address([203, 0, 113, 9].into()));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_by_name() {
        for (yaml, key) in [
            ("discovery: {credentials: 'admin:short'}", "credentials"),
            ("discovery: {preservation: {share: 1.5}}", "share"),
            ("discovery: {addresses: {allowed: [everywhere]}}", "allowed"),
            ("discovery: {addresses: {loopback: maybe}}", "loopback"),
            ("discovery: {addresses: {refused_ports: ['x']}}", "refused_ports"),
            ("discovery: {caps: {instances: -1}}", "instances"),
            ("discovery: {unknown: 1}", "unknown"),
        ] {
            let error = format!("{:#}", settings(yaml).unwrap_err());
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn ports_may_come_from_the_environment() {
        let yaml = "discovery: {addresses: {refused_ports: ['22', 80]}}";
        assert_eq!(
            settings(yaml).unwrap().discovery.addresses.refused_ports,
            [22, 80]
        );
    }
}
