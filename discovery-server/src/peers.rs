//! The other servers of this registry: each hears of every change that was made here, and is asked at the start
//! for what it knows.

mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use common::config::ServerSettings;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use url::Url;

pub use link::Link;

use crate::config::Discovery;
use crate::domain::names::{AppName, InstanceId};
use crate::domain::status::Status;

/// Changes that wait for one peer. When it is full, the peer is out of step anyhow and will be told everything.
const QUEUE: usize = 10_000;

/// A change to be told.
#[derive(Clone, Debug)]
pub enum Change {
    /// It registered, or its description changed.
    Registered(AppName, InstanceId),
    /// It is alive.
    Renewed(AppName, InstanceId),
    /// It left.
    Left(AppName, InstanceId),
    /// An operator spoke for it.
    Overridden(AppName, InstanceId, Status),
    /// It speaks for itself again.
    OverrideEnded(AppName, InstanceId),
}

/// All peers.
#[derive(Clone, Default)]
pub struct Peers(Arc<[Peer]>);

struct Peer {
    name: String,
    queue: mpsc::Sender<Change>,
    is_available: Arc<AtomicBool>,
}

impl Peers {
    /// The peers of the settings, without this server itself, and the links to be run towards them.
    pub fn new(settings: &Discovery, server: &ServerSettings) -> anyhow::Result<(Self, Vec<Link>)> {
        let (mut peers, mut links) = (Vec::new(), Vec::new());
        for secret in &settings.peers {
            let (url, name, password) = address(secret)?;
            if is_me(&url, settings.my_url.as_ref(), server) {
                continue;
            }
            let (queue, waiting) = mpsc::channel(QUEUE);
            let is_available = Arc::new(AtomicBool::new(false));
            links.push(Link::new(
                url.clone(),
                (name, password),
                waiting,
                Arc::clone(&is_available),
            ));
            peers.push(Peer {
                name: place(&url),
                queue,
                is_available,
            });
        }
        Ok((Self(peers.into()), links))
    }

    /// Let every peer know.
    pub fn tell(&self, change: &Change) {
        for peer in self.0.iter() {
            if peer.queue.try_send(change.clone()).is_err() {
                metrics::counter!("eureka_server_replication_dropped_total").increment(1);
            }
        }
    }

    /// `host:port` of each.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|peer| peer.name.clone()).collect()
    }

    /// Those that answered last time.
    pub fn available(&self) -> Vec<String> {
        self.by_availability(true)
    }

    /// Those that did not.
    pub fn unavailable(&self) -> Vec<String> {
        self.by_availability(false)
    }

    fn by_availability(&self, wanted: bool) -> Vec<String> {
        let fitting = self
            .0
            .iter()
            .filter(|peer| peer.is_available.load(Ordering::Relaxed) == wanted);
        fitting.map(|peer| peer.name.clone()).collect()
    }
}

fn address(secret: &SecretString) -> anyhow::Result<(Url, String, SecretString)> {
    let mut url = Url::parse(secret.expose_secret()).context("discovery.peers: not a URL")?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "discovery.peers: not http or https"
    );
    let name = url.username().to_owned();
    let password = url.password().unwrap_or_default().to_owned();
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    anyhow::ensure!(
        cleared.is_ok(),
        "discovery.peers: a URL that can carry no credential"
    );
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok((url, name, password.into()))
}

/// By host **and** port: several servers of one registry may run on one host.
fn is_me(peer: &Url, my_url: Option<&Url>, server: &ServerSettings) -> bool {
    let same_port = peer.port_or_known_default() == Some(server.port);
    let host = peer.host_str().unwrap_or_default();
    let same_host = host == server.host || (is_loopback(host) && is_loopback(&server.host));
    my_url.is_some_and(|mine| place(mine) == place(peer)) || (same_host && same_port)
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn place(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}
