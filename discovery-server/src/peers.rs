//! The other servers of this registry: each hears of every change that was made here, and is asked at the start
//! for what it knows.

mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
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
    /// It speaks for itself again, in these words if an operator gave any.
    OverrideEnded(AppName, InstanceId, Option<Status>),
}

/// All peers.
#[derive(Clone, Default)]
pub struct Peers(Arc<[Peer]>);

struct Peer {
    name: String,
    queue: mpsc::Sender<Change>,
    standing: Arc<Standing>,
}

/// How this server and a peer stand with each other.
#[derive(Default)]
struct Standing {
    is_available: AtomicBool,
    /// Some change could not wait: the peer has to be told everything.
    has_missed: AtomicBool,
    /// The peer is this server, under one of its names.
    is_me: AtomicBool,
}

impl Standing {
    fn is_me(&self) -> bool {
        self.is_me.load(Ordering::Relaxed)
    }

    fn recognise(&self) {
        self.is_me.store(true, Ordering::Relaxed);
    }

    fn has_missed(&self) -> bool {
        self.has_missed.load(Ordering::SeqCst)
    }

    fn told_everything(&self) {
        self.has_missed.store(false, Ordering::SeqCst);
    }

    /// Whether that is news.
    fn found(&self) -> bool {
        !self.is_available.swap(true, Ordering::Relaxed)
    }

    /// Whether that is news.
    fn lost(&self) -> bool {
        self.is_available.swap(false, Ordering::Relaxed)
    }
}

impl Peers {
    /// The peers of the settings, and the links to be run towards them. If this server itself is among them, it
    /// will find that out.
    pub fn new(settings: &Discovery) -> anyhow::Result<(Self, Vec<Link>)> {
        let (mut peers, mut links) = (Vec::new(), Vec::new());
        for secret in &settings.peers {
            let (url, name, password) = address(secret)?;
            let (peer, link) = peer(url, (name, password), QUEUE);
            peers.push(peer);
            links.push(link);
        }
        Ok((Self(peers.into()), links))
    }

    /// Let every peer know.
    pub fn tell(&self, change: &Change) {
        for peer in self.others() {
            if peer.queue.try_send(change.clone()).is_err() {
                peer.standing.has_missed.store(true, Ordering::SeqCst);
                metrics::counter!("eureka_server_replication_dropped_total").increment(1);
            }
        }
    }

    /// `host:port` of each.
    pub fn names(&self) -> Vec<String> {
        self.others().map(|peer| peer.name.clone()).collect()
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
            .others()
            .filter(|peer| peer.standing.is_available.load(Ordering::Relaxed) == wanted);
        fitting.map(|peer| peer.name.clone()).collect()
    }

    fn others(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter().filter(|peer| !peer.standing.is_me())
    }
}

/// A peer for which `room` changes can wait, and the link towards it.
fn peer(url: Url, credential: (String, SecretString), room: usize) -> (Peer, Link) {
    let (queue, waiting) = mpsc::channel(room);
    let standing = Arc::new(Standing::default());
    let peer = Peer {
        name: place(&url),
        queue,
        standing: Arc::clone(&standing),
    };
    (peer, Link::new(url, credential, waiting, standing))
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

fn place(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_missed_a_change_is_told_everything_instead_of_what_is_left() {
        let url = Url::parse("http://127.0.0.1:1/eureka/").unwrap();
        let (peer, mut link) = peer(url, (String::new(), String::new().into()), 1);
        let peers = Peers(Arc::new([peer]));
        let left = |id| Change::Left(AppName::parse("A").unwrap(), InstanceId::parse(id).unwrap());
        peers.tell(&left("1"));
        assert_eq!(link.collect().await.unwrap().unwrap().len(), 1);
        peers.tell(&left("1"));
        peers.tell(&left("2"));
        assert!(link.collect().await.is_err());
        link.forget_waiting();
        peers.tell(&left("3"));
        assert_eq!(link.collect().await.unwrap().unwrap().len(), 1, "in step again");
    }
}
