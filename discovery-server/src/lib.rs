//! The registry of the fleet: who is alive and where, in Eureka's words.

mod audit;
pub mod board;
pub mod config;
pub mod credentials;
mod dashboard;
pub mod domain;
pub mod error;
pub mod health;
pub mod listing;
pub mod peers;
pub mod routes;
pub mod store;
mod tasks;
pub mod wire;

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use common::actuator::health::Weight;
use common::config::{Live, ServerSettings};
use common::core::Core;
use common::server::Router;
use common::{http, server};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::config::RegistrySettings;
use crate::credentials::{Budget, Credentials};
use crate::domain::actor::{Actor, Power};
use crate::domain::draft::Rules;
use crate::domain::registry::Registry;
use crate::health::Overview;
use crate::peers::{Change, Peers};
use crate::store::snapshot;

/// The service's name.
pub const NAME: &str = "discovery-server";

/// A batch of a peer holds this many registrations at most.
const BATCH_FACTOR: usize = 64;

/// What every handler may use.
#[derive(Clone)]
pub struct AppState {
    /// The registry.
    pub board: Arc<Board>,
    /// Who may write.
    pub credentials: Credentials,
    /// How often.
    pub budget: Arc<Budget>,
    /// What.
    pub rules: Arc<Rules>,
    /// Other servers of this registry.
    pub peers: Peers,
    /// The settings.
    pub settings: Arc<config::Discovery>,
    /// Cancelled when the process should stop: whoever waits is answered at once.
    pub stopping: CancellationToken,
    /// Where this server listens.
    pub address: String,
    /// Under which address others reach it.
    pub ip_addr: IpAddr,
    /// Since when.
    pub started_at: DateTime<Utc>,
}

impl AppState {
    /// Let the peers know, unless one of them said it.
    pub fn tell(&self, actor: &Actor, change: &Change) {
        if actor.power != Power::Replication {
            self.peers.tell(change);
        }
    }

    /// `hours:minutes`.
    pub fn uptime(&self) -> String {
        let minutes = (self.board.now() - self.started_at).num_minutes();
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Assemble the service: its state, its loops and its router.
pub fn build(core: &Core, live: &Arc<Live<RegistrySettings>>) -> anyhow::Result<Router> {
    let discovery = Arc::new(live.current().discovery.clone());
    let board = Arc::new(board(core, &discovery));
    let (peers, links) = Peers::new(&discovery)?;
    let credentials = Credentials::parse(discovery.credentials.as_ref()).map_err(anyhow::Error::msg)?;
    let server = &core.settings.server;
    let state = AppState {
        credentials,
        budget: Arc::new(Budget::new(discovery.registrations_per_minute)),
        rules: Arc::new(discovery.rules(&server.host)),
        peers,
        stopping: stopping(core),
        address: format!("{}:{}", server.host, server.port),
        ip_addr: reachable(server)?,
        started_at: core.clock.now(),
        settings: Arc::clone(&discovery),
        board: Arc::clone(&board),
    };
    tasks::start(&board, discovery.snapshot.file.clone(), &core.background);
    let client = http::client(&core.settings.http_client)?;
    for link in links {
        let (state, client) = (state.clone(), client.clone());
        core.background
            .spawn("registry-peer", |stop| link.run(state, client, stop));
    }
    follow_settings(core, live, Arc::clone(&board));
    watch_health(core, board);
    Ok(routes::router(server.body_limit * BATCH_FACTOR).with_state(state))
}

fn reachable(settings: &ServerSettings) -> anyhow::Result<IpAddr> {
    let place = format!("{}:{}", settings.host, settings.port);
    let listening = place
        .to_socket_addrs()?
        .next()
        .context("server.host has no address")?;
    Ok(server::advertised_host(settings, listening))
}

/// The registry of a former life, if there was one not long ago.
fn board(core: &Core, settings: &config::Discovery) -> Board {
    let now = core.clock.now();
    // Readers compare versions across restarts: milliseconds run faster than changes do.
    let version = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    let mut registry = Registry::new(settings.caps(), settings.preservation(), version);
    if let Some(file) = &settings.snapshot.file {
        let leases = snapshot::load(file, TimeDelta::seconds(settings.snapshot.max_age_s.into()), now);
        tracing::info!(instances = leases.len(), "registry restored");
        registry.restore(leases, now);
    }
    Board::new(registry, core.clock.clone(), uuid::Uuid::now_v7().to_string())
}

/// Whether silent instances are kept is decided anew whenever the settings are read anew.
fn follow_settings(core: &Core, live: &Live<RegistrySettings>, board: Arc<Board>) {
    let mut changes = live.changes();
    core.background.spawn("registry-settings", |stop| async move {
        while let Some(Some(settings)) = stop.run_until_cancelled(changes.next()).await {
            board.write(|registry, _| registry.preserve(settings.discovery.preservation()));
        }
    });
}

/// Those who wait for news would hold up the stop: they are answered as soon as the signal comes.
fn stopping(core: &Core) -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    core.background.spawn("registry-stop", |stop| async move {
        tokio::select! {
            _ = server::signal() => {}
            () = stop.cancelled() => {}
        }
        cancelled.cancel();
    });
    token
}

fn watch_health(core: &Core, board: Arc<Board>) {
    core.health.add("registry", Weight::Shown, move || {
        let overview = board.read(|registry| Overview::of(registry, board.now()));
        async move {
            Ok(serde_json::json!({
                "applications": overview.apps,
                "instances": overview.instances,
                "up": overview.up,
                "preserved": overview.preserved,
            }))
        }
    });
}
