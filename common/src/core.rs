//! The parts that every service starts with, and its run from listening to leaving.

use std::sync::Arc;

use axum::extract::FromRef;
use serde_json::json;

use crate::actuator::{Actuator, Health, Weight};
use crate::auth::{Keys, Revocations, ServiceTokens, Verifier};
use crate::background::Background;
use crate::broker::Broker;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::{CoreSettings, Live, Settings};
use crate::discovery::{Discovery, Registration};
use crate::http::{Client, Http};
use crate::page::Cursors;
use crate::server::{self, Router};

/// The running parts that a service is assembled from. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The service's name.
    pub name: &'static str,
    /// The shared settings as they were at the start.
    pub settings: Arc<CoreSettings>,
    /// The time.
    pub clock: Clock,
    /// Loops that are stopped with the process.
    pub background: Background,
    /// What readiness depends on.
    pub health: Health,
    /// Who is alive.
    pub discovery: Discovery,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Typed calls to other services.
    pub http: Http,
    /// Seals list cursors.
    pub cursors: Cursors,
    /// Monitoring endpoints.
    pub actuator: Actuator,
    /// The one connection to the message broker; `None`: `amqp.url` is not set.
    pub broker: Option<Broker>,
    /// Tells other instances to read their settings again.
    pub bus: Bus,
}

impl FromRef<Core> for Verifier {
    fn from_ref(core: &Core) -> Self {
        core.verifier.clone()
    }
}

impl Core {
    /// Start the parts of a service that takes tokens which user-service issued.
    ///
    /// # Errors
    /// A setting is missing or makes no sense.
    pub fn start<T: Settings>(live: &Arc<Live<T>>) -> anyhow::Result<Self> {
        let settings = live.core();
        // Without it nobody tells this service which tokens were revoked.
        anyhow::ensure!(
            settings.service.secret.is_some(),
            "SERVICE_SECRET is not set: the secret with which {} proves its name to user-service",
            live.name()
        );
        let background = Background::new();
        let pinned = Client::new(live.follow_core())?;
        let every = std::time::Duration::from_secs(settings.auth.key_refresh_s);
        let keys = Keys::from_url(pinned.clone(), settings.auth.jwks_url.clone(), every, &background);
        let tokens = Self::service_tokens(live.name(), &settings, pinned.clone());
        let issuer = (pinned, settings.auth.issuer_url.clone());
        let revocations =
            Revocations::follow(issuer, tokens.clone(), keys.clone(), Clock::System, &background);
        Self::assemble(live, background, keys, (revocations, tokens))
    }

    /// Start the parts of user-service, which fills `keys` and `revocations` itself.
    pub fn start_issuer<T: Settings>(
        live: &Arc<Live<T>>,
        keys: Keys,
        revocations: Revocations,
    ) -> anyhow::Result<Self> {
        let tokens = Self::service_tokens(live.name(), &live.core(), Client::new(live.follow_core())?);
        Self::assemble(live, Background::new(), keys, (revocations, tokens))
    }

    fn service_tokens(name: &'static str, settings: &CoreSettings, client: Client) -> ServiceTokens {
        let secret = settings.service.secret.clone().unwrap_or_default();
        ServiceTokens::from_issuer(client, settings.auth.issuer_url.clone(), name, secret)
    }

    fn assemble<T: Settings>(
        live: &Arc<Live<T>>,
        background: Background,
        keys: Keys,
        (revocations, tokens): (Revocations, ServiceTokens),
    ) -> anyhow::Result<Self> {
        let settings = live.core();
        let clock = Clock::System;
        let name = live.name();
        let verifier = Verifier::new(settings.auth.clone(), name, keys, revocations, clock.clone());
        let discovery = Discovery::start(&settings.eureka, &background, clock.clone())?;
        let health = Health::default();
        let url = settings.amqp.url.as_ref();
        let broker = url.map(|_| Broker::start(&settings.amqp, &background));
        let bus = Bus::join(live, broker.clone(), &background);
        let actuator = Actuator::new(
            live,
            health.clone(),
            verifier.clone(),
            (clock.clone(), background.clone()),
            bus.clone(),
        )?;
        let metrics = actuator.clone();
        background.spawn("metrics-upkeep", |stop| async move { metrics.upkeep(stop).await });
        Ok(Self {
            name,
            clock,
            health,
            verifier,
            http: Http::new(Client::new(live.follow_core())?, discovery.clone(), tokens),
            cursors: Cursors::new(&settings.service.secret.clone().unwrap_or_default()),
            discovery,
            background,
            actuator,
            broker,
            bus,
            settings,
        })
    }

    /// Not ready before tokens can be checked. For services of which nothing is open to everybody.
    pub fn await_tokens(&self) {
        let verifier = self.verifier.clone();
        self.health.add("tokens", Weight::Needed, move || {
            std::future::ready(verifier.ready().map(|()| json!({})))
        });
    }

    /// The broker, for a service that cannot do without.
    ///
    /// # Errors
    /// `amqp.url` is not set.
    pub fn broker(&self) -> anyhow::Result<Broker> {
        let broker = self.broker.clone();
        broker.ok_or_else(|| anyhow::anyhow!("amqp.url is not set (environment: AMQP_URL)"))
    }

    /// Listen, register, serve `router` and the monitoring endpoints, until SIGTERM or SIGINT.
    pub async fn serve(self, router: Router) -> anyhow::Result<()> {
        let listener = server::bind(&self.settings.server).await?;
        let address = listener.local_addr()?;
        let app = self.app(router);
        tracing::info!(service = self.name, %address, "listening");
        self.register(address);
        let stop = server::Stop::new();
        let serving = server::serve(listener, app, &self.settings.server, stop.clone());
        let leaving = self.clone().leave(stop);
        let ((), stopped) = tokio::join!(serving, leaving);
        stopped
    }

    /// `router`, the monitoring endpoints, and what every request passes through.
    pub fn app(&self, router: Router) -> axum::Router {
        self.actuator.serves(&[&router]);
        let whole = router.merge(self.actuator.router());
        server::finish(whole.into(), &self.settings.server, self.clock.clone())
    }

    /// Enter the registry under the address that others reach.
    pub fn register(&self, address: std::net::SocketAddr) {
        self.actuator.ready();
        self.discovery.register(Registration {
            app: self.name.to_owned(),
            host: server::advertised_host(&self.settings.server, address),
            port: address.port(),
            health_path: "/actuator/health".to_owned(),
            status_path: "/actuator/info".to_owned(),
            metadata: std::collections::BTreeMap::new(),
        });
    }

    /// Wait for a signal, then leave in order: registry, listener, loops.
    async fn leave(self, stop: server::Stop) -> anyhow::Result<()> {
        server::signal().await?;
        tracing::info!(service = self.name, "stopping");
        self.health.stopping();
        self.discovery.deregister().await;
        stop.drain();
        let drained = stop.drained(std::time::Duration::from_secs(self.settings.server.drain_s));
        let hurried = tokio::select! {
            () = drained => false,
            _ = server::signal() => true,
        };
        self.background.stop();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), self.background.ended()).await;
        anyhow::ensure!(!hurried && ended.is_ok(), "stopped before everything had ended");
        Ok(())
    }
}
