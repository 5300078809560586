//! Settings in layers: embedded defaults, config-server, environment. The strongest wins, key by key.

mod environment;
pub(crate) mod remote;
mod tree;

use std::sync::Arc;

use anyhow::Context;
use figment::Figment;
use figment::providers::Serialized;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use url::Url;

pub use remote::flat;
pub use tree::{Layer, flatten};

use crate::auth::AuthSettings;
use crate::discovery::DiscoverySettings;
use crate::telemetry::{self, LogControl, LogSettings};

const SHARED_DEFAULTS: &str = include_str!("../config.default.yml");

/// A service's own settings.
pub trait Settings: DeserializeOwned + Send + Sync + 'static {
    /// Refuse values that parse but make no sense; the text names the key.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

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
    /// Section `build`.
    pub build: BuildSettings,
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

/// The settings in force, and how to read them anew.
pub struct Live<T> {
    name: &'static str,
    defaults: Vec<Layer>,
    log: LogControl,
    state: watch::Sender<Arc<State<T>>>,
}

struct State<T> {
    core: Arc<CoreSettings>,
    own: Arc<T>,
    layers: Vec<Layer>,
}

/// Read the settings of the service `name`, whose embedded defaults are `defaults` (YAML), and begin to log.
///
/// The config-server's being away is no error: its last good answer or nothing stands in.
pub async fn load<T: Settings>(name: &'static str, defaults: &str) -> anyhow::Result<Arc<Live<T>>> {
    let defaults = vec![
        Layer::yaml("defaults", SHARED_DEFAULTS)?,
        Layer::yaml("service defaults", defaults)?,
    ];
    // Logging first, by what is at hand, so that trouble with the config-server can be told.
    let log = telemetry::init(&extract::<CoreSettings>(&local(name, &defaults))?.log)?;
    let state = read::<T>(name, local(name, &defaults), When::Start).await?;
    log.reset(&state.core.log.level)?;
    Ok(Arc::new(Live {
        name,
        defaults,
        log,
        state: watch::Sender::new(Arc::new(state)),
    }))
}

/// The layers that need nobody else.
fn local(name: &str, defaults: &[Layer]) -> Vec<Layer> {
    let mut layers = defaults.to_vec();
    layers.push(environment::layer(name, defaults));
    layers
}

/// At the start a copy of older settings is better than none; later the ones in force are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Start,
    Refresh,
}

async fn read<T: Settings>(name: &'static str, local: Vec<Layer>, when: When) -> anyhow::Result<State<T>> {
    let settings = extract::<CoreSettings>(&local)?.config_server;
    // Config-server has the same environment as all others, but cannot ask itself before it listens.
    let Some(url) = settings.url.as_ref().filter(|_| name != "config-server") else {
        return state(local, None);
    };
    let source = remote::Source::new(url.expose(), name, &settings);
    let problem = match source.fetch().await {
        Ok(values) => match state(local.clone(), Some(values.clone())) {
            Ok(state) => {
                source.accepted(&values);
                return Ok(state);
            }
            Err(error) => error.context("config-server's settings"),
        },
        Err(error) if when == When::Start => {
            tracing::warn!(%error, "no settings from config-server");
            return state(local, source.last_good());
        }
        Err(error) => error.into(),
    };
    match source.last_good().filter(|_| when == When::Start) {
        Some(values) => {
            tracing::error!(
                problem = format!("{problem:#}"),
                "refused: the last good settings stay in force"
            );
            state(local, Some(values))
        }
        None => Err(problem),
    }
}

/// Typed settings from the layers at hand and config-server's, which stand over the defaults and under the environment.
fn state<T: Settings>(mut layers: Vec<Layer>, remote: Option<Value>) -> anyhow::Result<State<T>> {
    if let Some(mut values) = remote {
        remote::fit(&mut values, &merged(&layers[..layers.len() - 1]));
        layers.insert(layers.len() - 1, Layer::new("config-server", values));
    }
    let core: CoreSettings = extract(&layers)?;
    telemetry::check(&core.log.level).context("settings refused")?;
    let own: T = extract(&layers)?;
    own.check()
        .map_err(|problem| anyhow::anyhow!("settings refused: {problem}"))?;
    Ok(State {
        core: Arc::new(core),
        own: Arc::new(own),
        layers,
    })
}

fn merged(layers: &[Layer]) -> Value {
    let values = layers.iter().map(|layer| layer.values.clone());
    values.fold(Value::Null, tree::merge)
}

fn extract<T: DeserializeOwned>(layers: &[Layer]) -> anyhow::Result<T> {
    // figment names the key when a value does not fit its type.
    Figment::from(Serialized::defaults(merged(layers)))
        .extract()
        .context("settings refused")
}

impl<T: Settings> Live<T> {
    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The service's own settings as they are now.
    pub fn current(&self) -> Arc<T> {
        self.state.borrow().own.clone()
    }

    /// The shared settings as they are now.
    pub fn core(&self) -> Arc<CoreSettings> {
        self.state.borrow().core.clone()
    }

    /// What is logged, to change it.
    pub fn log(&self) -> &LogControl {
        &self.log
    }

    /// The layers, weakest first, for `/actuator/env`.
    pub fn layers(&self) -> Vec<Layer> {
        self.state.borrow().layers.clone()
    }

    /// Read every layer again; on any error the old settings stay. Returns the keys that changed.
    pub async fn refresh(&self) -> anyhow::Result<Vec<String>> {
        let fresh = read::<T>(self.name, local(self.name, &self.defaults), When::Refresh).await?;
        let changed = tree::difference(&self.state.borrow().layers, &fresh.layers);
        // Only then: a level set by hand stays until the configured one changes.
        if changed.iter().any(|key| key == "log.level") {
            self.log.reset(&fresh.core.log.level)?;
        }
        self.state.send_replace(Arc::new(fresh));
        Ok(changed)
    }

    /// Wait until the settings are read anew, again and again: for those who keep something built from them.
    pub fn changes(&self) -> Changes<T> {
        Changes(self.state.subscribe())
    }
}

/// Tells of new settings.
pub struct Changes<T>(watch::Receiver<Arc<State<T>>>);

impl<T> Changes<T> {
    /// The service's own settings after the next change; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Arc<T>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().own.clone())
    }
}

/// Settings straight from YAML, without config-server and environment: for tests.
pub fn from_yaml<T: Settings>(name: &'static str, layers: &[&str]) -> anyhow::Result<Arc<Live<T>>> {
    let mut all = vec![Layer::yaml("defaults", SHARED_DEFAULTS)?];
    for yaml in layers {
        all.push(Layer::yaml("given", yaml)?);
    }
    let own: T = extract(&all)?;
    own.check()
        .map_err(|problem| anyhow::anyhow!("settings refused: {problem}"))?;
    let state = State {
        core: Arc::new(extract(&all)?),
        own: Arc::new(own),
        layers: all.clone(),
    };
    let log = LogControl::detached();
    Ok(Arc::new(Live {
        name,
        defaults: all,
        log,
        state: watch::Sender::new(Arc::new(state)),
    }))
}
