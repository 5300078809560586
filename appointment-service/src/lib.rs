//! Slots, visits and their changes.

pub mod config;
pub mod directory;
pub mod domain;
pub mod error;
pub mod events;
pub mod names;
pub mod routes;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use common::actuator::health::Weight;
use common::auth::Verifier;
use common::broker::Broker;
use common::clients::users::Users;
use common::config::Live;
use common::core::Core;
use common::mysql;
use common::outbox::Outbox;
use common::server::Router;
use sqlx::MySqlPool;
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use config::Settings;
use names::Names;
use store::idempotency_keys;

/// This service's name.
pub const NAME: &str = "appointment-service";

/// The schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

const SWEEP: Duration = Duration::from_mins(10);

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    core: Core,
    settings: Arc<Live<Settings>>,
    pool: MySqlPool,
    outbox: Outbox,
    users: Users,
    names: Names,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.core.verifier.clone()
    }
}

/// Bring the database up to date, reach for the broker, and assemble the service.
pub async fn build(core: &Core, settings: Arc<Live<Settings>>) -> anyhow::Result<Router> {
    let pool = mysql::connect(&settings.current().mysql, &MIGRATOR).await?;
    let broker = core.broker()?;
    core.await_tokens();
    Ok(assemble(core, settings, pool, broker))
}

/// The service on a database and a broker that are at hand.
pub fn assemble(core: &Core, settings: Arc<Live<Settings>>, pool: MySqlPool, broker: Broker) -> Router {
    let outbox = Outbox::start(pool.clone(), broker.clone(), &core.background);
    mysql::watch(core, &pool);
    outbox.watch(core);
    // Bookings go on without the broker; their events wait in the outbox.
    core.health.add("rabbit", Weight::Shown, move || {
        std::future::ready(broker.health())
    });
    let users = Users::new(&core.http);
    let state = AppState {
        core: core.clone(),
        settings,
        outbox,
        names: Names::new(pool.clone(), users.clone(), core.clock.clone()),
        users,
        pool,
    };
    let sweeper = state.clone();
    core.background.spawn(
        "idempotency-sweep",
        |stop| async move { sweep(&sweeper, &stop).await },
    );
    routes::router(state)
}

/// Forget the answers to old requests.
async fn sweep(state: &AppState, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let cutoff = state.core.clock.now() - state.settings.current().idempotency.keep();
        if let Err(error) = idempotency_keys::sweep(&state.pool, cutoff).await {
            tracing::warn!(%error, "old idempotency keys were not swept");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The public endpoints as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::Documentation::openapi()
}
