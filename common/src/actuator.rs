//! Monitoring as Spring's Actuator speaks it.

pub mod exchanges;
mod guard;
pub mod health;
mod meters;
mod process;
mod refresh;
mod routes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub use guard::Operator;
pub use health::{Health, Weight};

use process::Process;

use crate::auth::Verifier;
use crate::background::Background;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::{BuildSettings, Layer, Live, RefreshError, Refreshed, Settings};
use crate::telemetry::LogControl;

/// Between two summings-up of the histograms.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upper bounds of the latency histogram in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The endpoints under `/actuator`.
#[derive(Clone)]
pub struct Actuator(Arc<Inner>);

struct Inner {
    name: &'static str,
    health: Health,
    verifier: Verifier,
    secret: Option<SecretString>,
    settings: SettingsView,
    log: LogControl,
    metrics: PrometheusHandle,
    process: Process,
    build: BuildSettings,
    background: Background,
    bus: Bus,
    /// Methods by path, as `/actuator/mappings` shows them.
    mappings: OnceLock<BTreeMap<String, Vec<String>>>,
}

type Refresh = Box<dyn Fn() -> BoxFuture<'static, Result<Refreshed, RefreshError>> + Send + Sync>;

/// The settings without their type.
struct SettingsView {
    layers: Box<dyn Fn() -> Vec<Layer> + Send + Sync>,
    refresh: Refresh,
}

impl SettingsView {
    fn of<T: Settings>(live: &Arc<Live<T>>) -> Self {
        let (for_layers, for_refresh) = (Arc::clone(live), Arc::clone(live));
        Self {
            layers: Box::new(move || for_layers.layers()),
            refresh: Box::new(move || {
                let live = Arc::clone(&for_refresh);
                Box::pin(async move { live.refresh().await })
            }),
        }
    }
}

impl FromRef<Actuator> for Verifier {
    fn from_ref(actuator: &Actuator) -> Self {
        actuator.0.verifier.clone()
    }
}

impl Actuator {
    /// The endpoints of the service whose settings are `live`.
    pub fn new<T: Settings>(
        live: &Arc<Live<T>>,
        health: Health,
        verifier: Verifier,
        (clock, background): (Clock, Background),
        bus: Bus,
    ) -> anyhow::Result<Self> {
        let inner = Inner {
            name: live.name(),
            health,
            verifier,
            secret: live.core().service.secret.clone(),
            settings: SettingsView::of(live),
            log: live.log().clone(),
            metrics: recorder()?,
            build: live.core().build.clone(),
            process: Process::started(seconds(&clock)),
            background,
            bus,
            mappings: OnceLock::new(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Tell which endpoints the service has, for `/actuator/mappings`; the first word counts.
    pub fn describe(&self, api: &utoipa::openapi::OpenApi) {
        let paths = serde_json::to_value(&api.paths).unwrap_or_default();
        let methods = |item: &serde_json::Value| {
            let members = item.as_object().into_iter().flatten();
            let verbs = members.filter(|(_, operation)| operation.get("responses").is_some());
            verbs.map(|(verb, _)| verb.to_uppercase()).collect()
        };
        let paths = paths.as_object().into_iter().flatten();
        let _ = self
            .0
            .mappings
            .set(paths.map(|(path, item)| (path.clone(), methods(item))).collect());
    }

    /// The metrics as they are now.
    fn families(&self) -> Vec<meters::Family> {
        self.0.process.observe();
        meters::parse(&self.0.metrics.render())
    }

    /// Sum up what was measured, again and again until `stop`: a histogram keeps every value until that is done,
    /// and nobody may ever ask for the metrics.
    pub async fn upkeep(&self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(UPKEEP))
            .await
            .is_some()
        {
            self.0.metrics.run_upkeep();
        }
    }

    /// Health and info for everybody; the rest for ADMIN or the service's own credential.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/actuator", get(routes::index))
            .route("/actuator/health", get(routes::health))
            .route("/actuator/health/{component}", get(routes::health_component))
            .route("/livez", get(routes::live))
            .route("/readyz", get(routes::ready))
            .route("/actuator/info", get(routes::info))
            .route("/actuator/prometheus", get(routes::prometheus))
            .route("/actuator/env", get(routes::env))
            .route("/actuator/httpexchanges", get(routes::exchanges))
            .route("/actuator/loggers", get(routes::loggers))
            .route(
                "/actuator/loggers/{name}",
                get(routes::logger).post(routes::set_level),
            )
            .route("/actuator/metrics", get(routes::metrics))
            .route("/actuator/metrics/{name}", get(routes::metric))
            .route("/actuator/env/{key}", get(routes::env_key))
            .route("/actuator/configprops", get(routes::configprops))
            .route("/actuator/mappings", get(routes::mappings))
            .route("/actuator/scheduledtasks", get(routes::scheduled))
            .route("/actuator/refresh", post(refresh::refresh))
            .route("/actuator/busrefresh", post(refresh::everyone))
            .route("/actuator/busrefresh/{destination}", post(refresh::some))
            .with_state(self.clone())
    }
}

fn seconds(clock: &Clock) -> f64 {
    let now = clock.now();
    f64::from(u32::try_from(now.timestamp()).unwrap_or_default())
        + f64::from(now.timestamp_subsec_micros()) / 1e6
}

/// The process has one recorder; tests start many services in one process.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    // Held while the recorder is made: whoever comes meanwhile must get that one's handle.
    let mut made = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*made {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    *made = Some(handle.clone());
    Ok(handle)
}
