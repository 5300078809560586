//! Settings in layers: embedded defaults, config-server, environment. The strongest wins, key by key.

mod environment;
mod live;
pub(crate) mod remote;
mod sections;
pub mod signature;
mod tree;

use std::sync::Arc;

use anyhow::Context;
use figment::Figment;
use figment::providers::Serialized;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use live::{Changes, Live, RefreshError, Refreshed};
pub use remote::flat;
pub use sections::{
    BuildSettings, ConfigServerSettings, CoreSettings, HttpClientSettings, SecretUrl, ServerSettings,
    ServiceSettings,
};
pub use tree::{Layer, flatten};

use crate::telemetry::{self, LogControl};

const SHARED_DEFAULTS: &str = include_str!("../config.default.yml");

/// A service's own settings.
pub trait Settings: DeserializeOwned + Send + Sync + 'static {
    /// Refuse values that parse but make no sense; the text names the key.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
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
    let mut defaults = vec![
        Layer::yaml("defaults", SHARED_DEFAULTS)?,
        Layer::yaml("service defaults", defaults)?,
    ];
    let at_once = take_at_once(&mut defaults);
    // Logging first, by what is at hand, so that trouble with the config-server can be told.
    let log = telemetry::init(&extract::<CoreSettings>(&local(name, &defaults))?.log)?;
    let state = read::<T>(name, local(name, &defaults), When::Start).await?;
    log.reset(&state.core.log.level)?;
    Ok(Arc::new(Live::new(name, (defaults, at_once), log, state)))
}

/// The defaults also say, under `live`, which keys a refresh puts in force. That is no setting, and nobody else's to say.
fn take_at_once(defaults: &mut [Layer]) -> Vec<String> {
    let lists = defaults
        .iter_mut()
        .filter_map(|layer| layer.values.as_object_mut()?.remove("live"));
    let keys = lists.filter_map(|list| serde_json::from_value::<Vec<String>>(list).ok());
    keys.flatten().collect()
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

async fn read<T: Settings>(
    name: &'static str,
    local: Vec<Layer>,
    when: When,
) -> Result<State<T>, RefreshError> {
    let settings = extract::<CoreSettings>(&local)?.config_server;
    // Config-server has the same environment as all others, but cannot ask itself before it listens.
    let Some(url) = settings.url.as_ref().filter(|_| name != "config-server") else {
        return Ok(state(local, None)?);
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
            return Ok(state(local, source.last_good())?);
        }
        Err(error) => return Err(RefreshError::Away(error.to_string())),
    };
    match source.last_good().filter(|_| when == When::Start) {
        Some(values) => {
            tracing::error!(
                problem = format!("{problem:#}"),
                "refused: the last good settings stay in force"
            );
            Ok(state(local, Some(values))?)
        }
        None => Err(RefreshError::Refused(problem)),
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
    core.check()
        .and_then(|()| own.check())
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

/// Settings straight from YAML, without config-server and environment: for tests.
pub fn from_yaml<T: Settings>(name: &'static str, layers: &[&str]) -> anyhow::Result<Arc<Live<T>>> {
    let mut all = vec![Layer::yaml("defaults", SHARED_DEFAULTS)?];
    for yaml in layers {
        all.push(Layer::yaml("given", yaml)?);
    }
    let at_once = take_at_once(&mut all);
    let local = all.clone();
    // The last layer stands for the environment.
    let state = state(all, None)?;
    Ok(Arc::new(Live::new(
        name,
        (local, at_once),
        LogControl::detached(),
        state,
    )))
}
