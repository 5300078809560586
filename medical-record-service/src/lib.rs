//! Medical records: immutable versions and their files, encrypted at rest, read by nobody unlogged.

pub mod access;
pub mod audit;
pub mod bounded;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod download;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod relay;
pub mod routes;
pub mod store;
pub mod upload;
pub mod vault;
pub mod writing;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use common::actuator::health::Weight;
use common::auth::Verifier;
use common::broker::Broker;
use common::clients::appointments::Appointments;
use common::clients::users::Users;
use common::clock::Clock;
use common::config::Live;
use common::core::Core;
use common::page::Cursors;
use common::server::Router;
use metrics::describe_counter;
use serde_json::json;
use tokio::sync::OnceCell;
use utoipa::OpenApi;

use audit::Audit;
use bounded::Patience;
use config::Settings;
use crypto::MasterKeys;
use relay::Relay;
use store::Database;
use upload::slots::Slots;
use upload::sweeper::Sweeper;
use vault::Vault;

/// This service's name.
pub const NAME: &str = "medical-record-service";

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    settings: Arc<Live<Settings>>,
    clock: Clock,
    verifier: Verifier,
    cursors: Cursors,
    users: Users,
    appointments: Appointments,
    db: Database,
    prepared: Arc<OnceCell<()>>,
    vault: Vault,
    audit: Audit,
    relay: Relay,
    sweeper: Sweeper,
    slots: Slots,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

impl AppState {
    fn patience(&self) -> Patience {
        Patience::ms(self.settings.current().records.step_timeout_ms)
    }

    /// The database with its indexes in place: without them two of what must be one could be stored.
    async fn db(&self) -> Result<&Database, store::Error> {
        self.prepared.get_or_try_init(|| store::prepare(&self.db)).await?;
        Ok(&self.db)
    }
}

/// Reach for database and broker, and assemble the service.
pub async fn build(core: &Core, settings: Arc<Live<Settings>>) -> anyhow::Result<Router> {
    let db = store::connect(&settings.current().mongodb).await?;
    let broker = core.broker()?;
    core.await_tokens();
    assemble(core, settings, db, broker)
}

/// The service on a database and a broker that are at hand.
pub fn assemble(
    core: &Core,
    settings: Arc<Live<Settings>>,
    db: Database,
    broker: Broker,
) -> anyhow::Result<Router> {
    let records = &settings.current().records;
    let keys = Arc::new(MasterKeys::new(&records.key, &records.old_keys)?);
    let (clock, background) = (core.clock.clone(), &core.background);
    let state = AppState {
        clock: clock.clone(),
        verifier: core.verifier.clone(),
        cursors: core.cursors.clone(),
        users: Users::new(&core.http),
        appointments: Appointments::new(&core.http),
        prepared: Arc::default(),
        vault: Vault::new(Arc::clone(&keys)),
        audit: Audit::new(keys),
        relay: Relay::start(db.clone(), broker.clone(), clock.clone(), background),
        sweeper: Sweeper::start(db.clone(), clock, background),
        slots: Slots::default(),
        settings,
        db,
    };
    watch(core, &state, broker);
    Ok(routes::router(state))
}

fn watch(core: &Core, state: &AppState, broker: Broker) {
    let checked = state.clone();
    core.health.add("mongo", Weight::Needed, move || {
        let state = checked.clone();
        async move { ping(&state).await.map_err(|error| error.to_string()) }
    });
    // Records are written and read without the broker; their events wait in them.
    core.health.add("rabbit", Weight::Shown, move || {
        std::future::ready(broker.health())
    });
    let waiting = state.clone();
    core.health.add("outbox", Weight::Shown, move || {
        let state = waiting.clone();
        async move { backlog(&state).await.map_err(|error| error.to_string()) }
    });
    describe_metrics();
    let state = state.clone();
    core.background.spawn("record-store", |stop| async move {
        while let Err(error) = state.db().await {
            tracing::warn!(%error, "the record store is not ready yet");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    });
}

async fn ping(state: &AppState) -> Result<serde_json::Value, store::Error> {
    let db = state.db().await?;
    store::ping(db).await?;
    Ok(json!({ "database": db.name() }))
}

async fn backlog(state: &AppState) -> Result<serde_json::Value, store::Error> {
    let (waiting, oldest) = store::outbox::backlog(state.db().await?).await?;
    let age = oldest.map(|at| (state.clock.now() - at).num_seconds().max(0));
    Ok(json!({ "pending": waiting, "oldest_age_s": age }))
}

fn describe_metrics() {
    describe_counter!(
        "records_access_total",
        "Entries in the access log, by action, outcome and rule"
    );
    describe_counter!(
        "records_integrity_failures_total",
        "Stored data that turned out to be damaged or changed"
    );
    describe_counter!(
        "records_malware_refused_total",
        "Uploads refused because they look like malware"
    );
    describe_counter!(
        "records_uploads_swept_total",
        "Unfinished uploads that were removed"
    );
}

/// The public endpoints as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::Documentation::openapi()
}
