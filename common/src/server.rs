//! The listener and what every request passes through.

mod layers;
mod router;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal as listen};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::config::ServerSettings;

pub use layers::finish;
pub use router::{Mappings, Router};

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Bind the configured address.
pub async fn bind(settings: &ServerSettings) -> anyhow::Result<TcpListener> {
    let address = format!("{}:{}", settings.host, settings.port);
    TcpListener::bind(&address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))
}

/// The address that others reach this process under.
pub fn advertised_host(settings: &ServerSettings, bound: SocketAddr) -> IpAddr {
    match settings.advertise_host {
        Some(host) => host,
        None if bound.ip().is_unspecified() => outward_address(),
        None => bound.ip(),
    }
}

/// The address that the routing table would send from. No packet is sent.
fn outward_address() -> IpAddr {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket
            .connect((Ipv4Addr::new(192, 0, 2, 1), 9))
            .and_then(|()| socket.local_addr())
    });
    probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// SIGTERM or SIGINT came.
pub async fn signal() -> anyhow::Result<()> {
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Ends the serving: first no new connections and the last request of each, then wait.
#[derive(Clone, Default)]
pub struct Stop {
    draining: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
}

impl Stop {
    /// Serving goes on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accept nothing more and let each connection finish its request.
    pub fn drain(&self) {
        self.draining.cancel();
        self.connections.close();
    }

    /// Wait until all connections have ended, for at most `patience`; then cut the rest.
    pub async fn drained(&self, patience: Duration) {
        let ended = tokio::time::timeout(patience, self.connections.wait()).await;
        if ended.is_err() {
            tracing::warn!(open = self.connections.len(), "connections cut at the stop");
        }
        self.cut.cancel();
        self.connections.wait().await;
    }
}

/// Serve `app` until `stop`. A head must arrive in time, and there is a cap on connections:
/// `axum::serve` would hold a half-sent head for ever.
pub async fn serve(listener: TcpListener, app: axum::Router, settings: &ServerSettings, stop: Stop) {
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    let header_timeout = Duration::from_secs(settings.header_timeout_s);
    loop {
        let slot = tokio::select! {
            () = stop.draining.cancelled() => return,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = stop.draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let connection = connection(socket, peer, app.clone(), header_timeout, stop.clone());
                stop.connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    app: axum::Router,
    header_timeout: Duration,
    stop: Stop,
) {
    // Answers are written in one go; waiting to fill a packet only adds latency.
    let _ = socket.set_nodelay(true);
    let service = app.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cut.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
