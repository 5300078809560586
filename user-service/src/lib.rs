//! Accounts, sessions and tokens: who somebody is and what they may be called.

pub mod accounts;
pub mod change;
pub mod client;
pub mod command;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod hashing;
pub mod housekeeping;
pub mod keyring;
pub mod login;
pub mod passwords;
pub mod revocation;
pub mod routes;
pub mod second_factor;
pub mod sessions;
pub mod standing;
pub mod state;
pub mod store;
pub mod throttle;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use common::actuator::Weight;
use common::auth::{KeySet, Keys, Revocations};
use common::config::Live;
use common::core::Core;
use common::mysql;
use common::outbox::Outbox;
use common::server::Router;
use metrics::describe_counter;
use sqlx::migrate::Migrator;

use config::Settings;
use domain::audit::Mark;
pub use routes::openapi;
pub use state::AppState;

/// This service's name.
pub const NAME: &str = "user-service";

/// The schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The service as configured: what runs, and the routes to serve.
pub async fn build(live: &Arc<Live<Settings>>) -> anyhow::Result<(Core, Router)> {
    let core = Core::start_issuer(live, Keys::fixed(&KeySet::default()), Revocations::local())?;
    let settings = live.current();
    let db = mysql::connect(&settings.mysql, &MIGRATOR).await?;
    let broker = core.broker()?;
    let outbox = Outbox::start(db.clone(), broker.clone(), &core.background);
    mysql::watch(&core, &db);
    outbox.watch(&core);
    core.health.add("rabbit", Weight::Shown, move || {
        std::future::ready(broker.health())
    });
    describe_metrics();
    let state = AppState::new(core.clone(), live.clone(), db, outbox)?;
    let router = start(&state).await?;
    Ok((core, router))
}

fn describe_metrics() {
    describe_counter!(
        "user_password_shed_total",
        "Logins refused because too many hashes were waiting"
    );
    describe_counter!(
        "user_login_refused_total",
        "Logins refused for a wrong name, password or code"
    );
    describe_counter!(
        "user_login_throttled_total",
        "Logins refused for too many failures before"
    );
}

/// Make what must exist before the first request, start the loops, and give the routes.
pub async fn start(state: &AppState) -> anyhow::Result<Router> {
    let now = state.core.clock.now();
    state
        .keyring
        .ensure(&state.db, now)
        .await
        .context("signing keys")?;
    accounts::ensure_admin(state, &state.settings().admin).await?;
    housekeeping::start(state);
    Ok(routes::router(state.clone()))
}

/// Follow the audit's chain from its beginning through `expected` and print whether it is whole.
pub async fn verify_audit(settings: &Settings, expected: Option<Mark>) -> anyhow::Result<()> {
    let secrets = state::secrets(settings)?;
    let db = mysql::pool(&settings.mysql)?;
    let patience = Duration::from_secs(10);
    let mut connection = tokio::time::timeout(patience, db.acquire())
        .await
        .context("the database is away")??;
    let entries = housekeeping::verify_audit(&mut connection, &secrets.audit, expected).await?;
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    {
        println!("the audit is whole: {entries} entries");
    }
    Ok(())
}
