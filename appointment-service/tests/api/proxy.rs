//! A cable that a test can pull.

use std::net::SocketAddr;
use std::sync::Arc;

use common::background::Background;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards TCP to one address while it is plugged in.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    plugged: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub(crate) async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plugged = Arc::new(watch::Sender::new(true));
        let plug = Arc::clone(&plugged);
        let cables = Background::new();
        let spawner = cables.clone();
        cables.spawn("proxy", |_| async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut plug, upstream) = (plug.subscribe(), upstream.clone());
                spawner.spawn("cable", |_| async move {
                    tokio::select! {
                        () = forward(client, &upstream) => {}
                        _ = plug.wait_for(|plugged| !plugged) => {}
                    }
                });
            }
        });
        Self { address, plugged }
    }

    /// Cut what is open and what comes.
    pub(crate) fn pull(&self) {
        self.plugged.send_replace(false);
    }

    pub(crate) fn plug(&self) {
        self.plugged.send_replace(true);
    }

    /// `url` with this proxy as its host.
    pub(crate) async fn of(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once('@').unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let proxy = Self::to(host.to_owned()).await;
        let through = format!("{before}@{}/{path}", proxy.address);
        (proxy, through)
    }
}

async fn forward(mut client: TcpStream, upstream: &str) {
    if let Ok(mut server) = TcpStream::connect(upstream).await {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
