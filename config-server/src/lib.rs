//! Configuration for the fleet, in the words of Spring Cloud Config: any client of that reads from here.

pub mod config;
pub mod domain;
mod error;
mod routes;
mod setup;
pub mod store;

use std::sync::Arc;

use common::bus::Bus;
use common::clock::Clock;
use common::core::Core;
use common::server::Router;

use config::ConfigSettings;
use domain::access::Credentials;
use domain::cipher::Keyring;
use domain::environment::PropertySource;
use metrics::describe_counter;
use routes::monitor::Pace;
use secrecy::SecretString;
use store::repository::Repository;

/// The service's name.
pub const NAME: &str = "config-server";
/// Its embedded settings.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    keyring: Keyring,
    repository: Arc<Repository>,
    overrides: Option<PropertySource>,
    search_paths: Vec<String>,
    accept_empty: bool,
    monitor_secret: Option<SecretString>,
    pace: Pace,
    bus: Bus,
    clock: Clock,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The router, its background work begun.
pub async fn build(core: &Core, settings: &ConfigSettings) -> anyhow::Result<Router> {
    describe_counter!(
        "config_refresh_total",
        "Fetches of the remote repository, by outcome"
    );
    let state = AppState(Arc::new(setup::inner(core, settings).await?));
    Ok(routes::router(state, &settings.config.prefix))
}

/// The service's part of the API document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::openapi()
}
