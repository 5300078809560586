//! The sections that every service's settings have.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::auth::AuthSettings;
use crate::broker::AmqpSettings;
use crate::discovery::DiscoverySettings;
use crate::telemetry::LogSettings;

/// The settings that every service has.
#[derive(Debug, Clone, Deserialize)]
pub struct CoreSettings {
    /// Section `server`.
    pub server: ServerSettings,
    /// Section `log`.
    pub log: LogSettings,
    /// Section `service`.
    pub service: ServiceSettings,
    /// Section `eureka`.
    pub eureka: DiscoverySettings,
    /// Section `config_server`.
    pub config_server: ConfigServerSettings,
    /// Section `auth`.
    pub auth: AuthSettings,
    /// Section `http_client`.
    pub http_client: HttpClientSettings,
    /// Section `amqp`.
    pub amqp: AmqpSettings,
    /// Section `build`.
    pub build: BuildSettings,
}

impl CoreSettings {
    /// Refuse values that parse but make no sense; the text names the key.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.http_client.timeout_ms == 0 || self.http_client.connect_timeout_ms == 0 {
            return Err("http_client: a call needs time".to_owned());
        }
        Ok(())
    }
}

/// Section `server`: the listener.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerSettings {
    /// Address to listen on.
    pub host: String,
    /// TCP port; 0 takes a free one.
    pub port: u16,
    /// Address to put into the registry.
    pub advertise_host: Option<std::net::IpAddr>,
    /// Seconds a client may take to send a request's head.
    pub header_timeout_s: u64,
    /// Connections served at once.
    pub max_connections: usize,
    /// Bytes a JSON body may have.
    pub body_limit: usize,
    /// Seconds that requests in flight are given at the stop.
    pub drain_s: u64,
}

/// Section `service`.
#[derive(Debug, Clone, Deserialize)]
pub struct ServiceSettings {
    /// Proves this service to user-service. Needed wherever another service is called.
    pub secret: Option<SecretString>,
}

/// Section `config_server`.
#[derive(Debug, Clone, Deserialize)]
pub struct ConfigServerSettings {
    /// With credentials; `None`: no config-server.
    pub url: Option<SecretUrl>,
    /// The profile to ask for.
    pub profile: String,
    /// Milliseconds to wait at the start.
    pub timeout_ms: u64,
    /// Take only answers that a server signed which knows this service's secret, and never send the secret.
    pub require_signature: bool,
    /// Folder for the last good answer.
    pub cache_dir: Option<std::path::PathBuf>,
}

/// Section `build`: what runs here, for `/actuator/info`. Set by whoever built it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct BuildSettings {
    /// The commit's hash.
    pub commit: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// When that commit was made, RFC 3339.
    pub commit_time: Option<String>,
    /// When it was built, RFC 3339.
    pub time: Option<String>,
}

/// Section `http_client`: calls to other services.
#[derive(Debug, Clone, Deserialize)]
pub struct HttpClientSettings {
    /// Milliseconds to connect.
    pub connect_timeout_ms: u64,
    /// Milliseconds that one call may take.
    pub timeout_ms: u64,
}

/// A URL that may hold credentials: prints as stars.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The URL itself.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
