//! Tells people by e-mail and SMS what happened, once each, and keeps a ledger of it.

pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod reminding;
pub mod routes;
pub mod sender;
pub mod store;
pub mod transport;

use std::sync::Arc;

use axum::extract::FromRef;
use common::actuator::Weight;
use common::auth::Verifier;
use common::broker::Broker;
use common::clients::appointments::Appointments;
use common::clients::users::Users;
use common::clock::Clock;
use common::config::Live;
use common::core::Core;
use common::mysql;
use common::page::Cursors;
use common::server::Router;
use metrics::describe_counter;
use sqlx::MySqlPool;
use sqlx::migrate::Migrator;
use utoipa::OpenApi;

use config::Settings;
use domain::channel::Channel;
use events::Listener;
use sender::{Gate, Sender, Wake};
use transport::{Email, Sms};

/// This service's name.
pub const NAME: &str = "notification-service";

/// The schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    verifier: Verifier,
    cursors: Cursors,
    clock: Clock,
    settings: Arc<Live<Settings>>,
    pool: MySqlPool,
    users: Users,
    wake: Wake,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

/// Bring the database up to date, reach for the broker, and assemble the service.
pub async fn build(core: &Core, settings: Arc<Live<Settings>>) -> anyhow::Result<Router> {
    let pool = mysql::connect(&settings.current().mysql, &MIGRATOR).await?;
    let broker = core.broker()?;
    core.await_tokens();
    let parts = Parts::new(core, settings, pool)?;
    parts.start(core, &broker);
    Ok(parts.router(core))
}

/// The service on a database that is at hand, its loops not yet running.
pub struct Parts {
    pub sender: Arc<Sender>,
    pub listener: Listener,
}

impl Parts {
    pub fn new(core: &Core, settings: Arc<Live<Settings>>, pool: MySqlPool) -> anyhow::Result<Self> {
        let users = Users::new(&core.http);
        let wake = Wake::default();
        let current = settings.current();
        let sender = Sender {
            pool: pool.clone(),
            clock: core.clock.clone(),
            settings: settings.clone(),
            users: users.clone(),
            appointments: Appointments::new(&core.http),
            email: Email::from_settings(&current)?,
            sms: Sms::from_settings(&current)?,
            email_gate: Gate::default(),
            sms_gate: Gate::default(),
            wake: wake.clone(),
        };
        let listener = Listener::new(pool, core.clock.clone(), settings, users, wake);
        Ok(Self {
            sender: Arc::new(sender),
            listener,
        })
    }

    /// Begin to listen, to remind and to send.
    pub fn start(&self, core: &Core, broker: &Broker) {
        self.watch(core, broker.clone());
        self.listener.clone().listen(broker);
        for (name, channel) in [("email-sender", Channel::Email), ("sms-sender", Channel::Sms)] {
            let sender = self.sender.clone();
            core.background
                .spawn(name, |stop| async move { sender.run(channel, &stop).await });
        }
        let (reminding, sweeping) = (self.listener.clone(), self.listener.clone());
        core.background
            .spawn("reminders", |stop| async move { reminding.remind(&stop).await });
        core.background
            .spawn("inbox-sweep", |stop| async move { sweeping.sweep(&stop).await });
    }

    fn watch(&self, core: &Core, broker: Broker) {
        mysql::watch(core, &self.listener.pool);
        describe_counter!(
            "notifications_sent_total",
            "Attempts to send a notice, by channel and outcome"
        );
        // Without the broker nothing new is heard of, but what is known is sent and shown.
        core.health.add("rabbit", Weight::Shown, move || {
            std::future::ready(broker.health())
        });
        for (name, channel) in [("email", Channel::Email), ("sms", Channel::Sms)] {
            let sender = self.sender.clone();
            core.health.add(name, Weight::Shown, move || {
                std::future::ready(sender.gate(channel).health())
            });
        }
    }

    /// The endpoints.
    pub fn router(&self, core: &Core) -> Router {
        routes::router(AppState {
            verifier: core.verifier.clone(),
            cursors: core.cursors.clone(),
            clock: core.clock.clone(),
            settings: self.listener.settings.clone(),
            pool: self.listener.pool.clone(),
            users: self.listener.users.clone(),
            wake: self.listener.wake.clone(),
        })
    }
}

/// The public endpoints as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::Documentation::openapi()
}
