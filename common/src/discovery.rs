//! Who is alive and where: the client of the registry.
//!
//! A service registers itself once its listener is bound, renews its lease in the background and leaves the
//! registry first of all when it stops. Readers keep the whole registry in memory, told of every change by a
//! long poll; when the registry is away they go on with what they last knew.

mod agent;
mod cache;
mod instance;
mod lease;
mod servers;
mod settings;
mod view;
mod watcher;
mod wire;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

pub use instance::{Instance, Status};
pub use lease::Registration;
pub use settings::DiscoverySettings;
pub use view::View;

use crate::background::Background;
use crate::clock::Clock;
use agent::Agent;

/// A cheap handle on the registry as this process knows it.
#[derive(Clone)]
pub struct Discovery {
    board: Arc<view::Board>,
    agent: Option<Arc<Agent>>,
}

impl Discovery {
    /// Begin to follow the registry named in `settings`; without a URL it is [`Discovery::disabled`].
    ///
    /// Never waits for the registry: what the cache file holds, or nothing, is served until it answers.
    ///
    /// # Errors
    /// The URL is not one, or the HTTP client cannot be made.
    pub fn start(
        settings: &DiscoverySettings,
        background: &Background,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let board = Arc::new(view::Board::default());
        let Some(servers) = servers::Servers::from_settings(settings)? else {
            return Ok(Self { board, agent: None });
        };
        let agent = Arc::new(Agent::new(settings.clone(), servers, clock, background.clone()));
        let following = watcher::Watcher::new(Arc::clone(&agent), Arc::clone(&board));
        background.spawn("registry-watch", |stop| following.run(stop));
        Ok(Self {
            board,
            agent: Some(agent),
        })
    }

    /// Knows nobody and registers nothing.
    pub fn disabled() -> Self {
        Self {
            board: Arc::new(view::Board::default()),
            agent: None,
        }
    }

    /// Knows exactly these instances, all up, for ever. Application names are matched without regard to case.
    pub fn fixed<A: Into<String>>(applications: impl IntoIterator<Item = (A, Vec<SocketAddr>)>) -> Self {
        let instances = applications.into_iter().flat_map(|(app, addresses)| {
            let app = app.into().to_ascii_uppercase();
            addresses
                .into_iter()
                .map(move |address| Arc::new(Instance::fixed(&app, address)))
        });
        let board = view::Board::default();
        board.publish(View::new(0, instances.collect()));
        Self {
            board: Arc::new(board),
            agent: None,
        }
    }

    /// The instances of `app` that are up, in the registry's order. No lock, no I/O.
    pub fn resolve(&self, app: &str) -> Vec<Arc<Instance>> {
        self.board.current().up(app).to_vec()
    }

    /// The whole registry as it is now.
    pub fn view(&self) -> Arc<View> {
        self.board.current()
    }

    /// Hear of every change; the receiver always holds the newest view and misses only superseded ones.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.board.subscribe()
    }

    /// Enter the registry, and stay in it, from now until [`Discovery::deregister`]. Returns at once.
    pub fn register(&self, registration: Registration) {
        if let Some(agent) = &self.agent {
            lease::keep(Arc::clone(agent), registration);
        }
    }

    /// Leave the registry: marked DOWN, then removed. Gives up after two seconds, for the lease ends by itself.
    pub async fn deregister(&self) {
        if let Some(agent) = &self.agent {
            lease::end(agent).await;
        }
    }

    /// Whether a registry is configured at all.
    pub fn is_enabled(&self) -> bool {
        self.agent.is_some()
    }

    /// Whether the last thing said to the registry was answered.
    pub fn is_connected(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.is_connected())
    }

    /// Whether this process stands in the registry.
    pub async fn is_registered(&self) -> bool {
        match &self.agent {
            Some(agent) => lease::is_held(agent).await,
            None => false,
        }
    }
}
