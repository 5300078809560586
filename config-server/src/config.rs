//! The typed settings.

use std::path::PathBuf;

use common::config::Settings;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::domain::access::Credentials;
use crate::domain::cipher::Keyring;
use crate::domain::document::Property;

const SHORTEST_KEY: usize = 32;

/// What stands in `config.default.yml`.
#[derive(Debug, Deserialize)]
pub struct ConfigSettings {
    /// Section `config`.
    pub config: ServedSettings,
    /// Section `encrypt`.
    pub encrypt: EncryptSettings,
    /// Section `monitor`.
    pub monitor: MonitorSettings,
}

/// Section `config`.
#[derive(Debug, Deserialize)]
pub struct ServedSettings {
    pub credentials: Option<SecretString>,
    pub backend: BackendKind,
    pub folder: PathBuf,
    pub search_paths: Vec<String>,
    pub refresh_interval_s: u64,
    pub prefix: String,
    pub accept_empty: bool,
    pub overrides: Vec<String>,
    pub git: GitSettings,
}

/// Where the files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    Native,
    Git,
}

/// Section `config.git`.
#[derive(Debug, Deserialize)]
pub struct GitSettings {
    pub url: Option<String>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub default_label: String,
    pub folder: Option<PathBuf>,
    pub timeout_s: u64,
}

/// Section `encrypt`.
#[derive(Debug, Deserialize)]
pub struct EncryptSettings {
    pub key: Option<SecretString>,
    pub previous_keys: Option<SecretString>,
    pub legacy_key: Option<SecretString>,
    pub legacy_salt: String,
}

/// Section `monitor`.
#[derive(Debug, Deserialize)]
pub struct MonitorSettings {
    pub secret: Option<SecretString>,
    pub per_minute: u32,
}

impl Settings for ConfigSettings {
    fn check(&self) -> Result<(), String> {
        self.config
            .credentials()
            .map_err(|problem| format!("config.credentials: {problem}"))?;
        self.config.override_properties()?;
        self.encrypt.keyring()?;
        if self
            .config
            .search_paths
            .iter()
            .any(|path| path.starts_with('/') || path.contains(".."))
        {
            return Err("config.search_paths: a path must lie under the root".to_owned());
        }
        if !self.config.prefix.is_empty() && !is_prefix(&self.config.prefix) {
            return Err("config.prefix: must look like /config".to_owned());
        }
        if self.config.refresh_interval_s == 0 || self.config.git.timeout_s == 0 {
            return Err("config.refresh_interval_s, config.git.timeout_s: must not be 0".to_owned());
        }
        let needs_git = self.config.backend == BackendKind::Git;
        if needs_git && (self.config.git.url.is_none() || self.config.git.folder.is_none()) {
            return Err("config.git.url and config.git.folder are needed by the git backend".to_owned());
        }
        match &self.monitor.secret {
            Some(secret) => strong("monitor.secret", secret.expose_secret()),
            None => Ok(()),
        }
    }
}

impl ServedSettings {
    /// The credentials, ready to be compared with.
    pub fn credentials(&self) -> Result<Credentials, String> {
        let pairs = self
            .credentials
            .as_ref()
            .map(ExposeSecret::expose_secret)
            .unwrap_or_default();
        Credentials::parse(pairs.split(','))
    }

    /// What stands over everything that is served.
    pub fn override_properties(&self) -> Result<Vec<Property>, String> {
        let property = |pair: &String| match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Property {
                key: key.trim().to_owned(),
                value: value.into(),
                position: (0, 0),
            }),
            _ => Err(format!("config.overrides: '{pair}' is not key=value")),
        };
        self.overrides
            .iter()
            .filter(|pair| !pair.is_empty())
            .map(property)
            .collect()
    }
}

impl EncryptSettings {
    /// The keys, derived. Takes a moment for the legacy one.
    pub fn keyring(&self) -> Result<Keyring, String> {
        let mut keys = Vec::new();
        if let Some(key) = &self.key {
            strong("encrypt.key", key.expose_secret())?;
            keys.push(key.expose_secret());
        }
        let previous = self
            .previous_keys
            .as_ref()
            .map(ExposeSecret::expose_secret)
            .unwrap_or_default();
        keys.extend(previous.split(',').map(str::trim).filter(|key| !key.is_empty()));
        let salt =
            hex::decode(&self.legacy_salt).map_err(|_| "encrypt.legacy_salt: must be hex".to_owned())?;
        let legacy = self
            .legacy_key
            .as_ref()
            .map(|key| (key.expose_secret(), salt.as_slice()));
        Keyring::new(&keys, legacy).map_err(|error| format!("encrypt: {error}"))
    }
}

fn strong(key: &str, secret: &str) -> Result<(), String> {
    if secret.len() < SHORTEST_KEY {
        return Err(format!("{key}: must have at least {SHORTEST_KEY} characters"));
    }
    Ok(())
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains("//") && prefix.chars().all(plain)
}
