//! Monitoring as Spring's Actuator speaks it.

mod disk;
pub mod exchanges;
mod guard;
pub mod health;
mod meters;
mod process;
mod refresh;
mod routes;
pub mod timer;
mod words;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::FromRef;
use axum::middleware::from_fn;
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
use crate::server::{Mappings, Router};
use crate::telemetry::LogControl;

/// Between two summings-up of the histograms.
const UPKEEP: Duration = Duration::from_millis(250);
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
    gauges: RwLock<Vec<Gauges>>,
    mappings: OnceLock<Mappings>,
}

/// Sets gauges of a part of the service.
type Gauges = Box<dyn Fn() + Send + Sync>;

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
            gauges: RwLock::default(),
            mappings: OnceLock::new(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Tell which endpoints the service has beside these here, for `/actuator/mappings`; the first word counts.
    pub fn serves(&self, routers: &[&Router]) {
        let mut mappings = self.router().mappings();
        mappings.extend(routers.iter().flat_map(|router| router.mappings()));
        let _ = self.0.mappings.set(mappings);
    }

    /// The service listens, and whoever asks is answered.
    pub fn ready(&self) {
        self.0.process.ready();
    }

    /// Let `observe` set its gauges whenever somebody looks at the metrics.
    pub fn observe(&self, observe: impl Fn() + Send + Sync + 'static) {
        let mut gauges = self.0.gauges.write().unwrap_or_else(PoisonError::into_inner);
        gauges.push(Box::new(observe));
    }

    /// The metrics as they are now.
    fn families(&self) -> Vec<meters::Family> {
        self.0.process.observe();
        timer::observe();
        for observe in self
            .0
            .gauges
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            observe();
        }
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
        use routes::{health, loggers, metrics, settings};
        Router::new()
            .route("/actuator", get(routes::index))
            .route("/actuator/health", get(health::whole))
            .route("/actuator/health/{name}", get(health::named))
            .route("/actuator/health/{group}/{name}", get(health::in_group))
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/actuator/info", get(routes::info))
            .route("/actuator/prometheus", get(metrics::prometheus))
            .route("/actuator/metrics", get(metrics::names))
            .route("/actuator/metrics/{name}", get(metrics::one))
            .route("/actuator/env", get(settings::env))
            .route("/actuator/env/{key}", get(settings::env_key))
            .route("/actuator/configprops", get(settings::configprops))
            .route("/actuator/loggers", get(loggers::all))
            .route(
                "/actuator/loggers/{name}",
                get(loggers::one).post(loggers::set_level),
            )
            .route("/actuator/httpexchanges", get(routes::exchanges))
            .route("/actuator/mappings", get(routes::mappings))
            .route("/actuator/scheduledtasks", get(routes::scheduled))
            .route("/actuator/refresh", post(refresh::refresh))
            .route("/actuator/busrefresh", post(refresh::everyone))
            .route("/actuator/busrefresh/{destination}", post(refresh::some))
            .route_layer(from_fn(routes::negotiate))
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
    words::describe();
    *made = Some(handle.clone());
    Ok(handle)
}
