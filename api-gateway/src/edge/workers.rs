//! One thread per core, each with its own runtime, listening socket, connections and upstream pool.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use common::telemetry::LogFormat;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::connection::{self, Ending, Manners};
use super::guarded::Patience;
use crate::access_log::{AccessLog, Sink};
use crate::config::{Config, Gateway};
use crate::domain::address;
use crate::domain::balance::Dice;
use crate::gate::visit::Peer;
use crate::gate::{Gate, Worker};
use crate::limits::caps::{Caps, Full, Place};
use crate::proxy::forward::Forwarder;
use crate::proxy::pool::{Pool, PoolSettings};

const TICK: Duration = Duration::from_millis(250);

/// What every worker is made of.
#[derive(Clone)]
pub struct Plan {
    pub gate: Arc<Gate>,
    pub tls: Option<TlsAcceptor>,
    pub caps: Caps,
    pub manners: Manners,
    pub pool: PoolSettings,
    pub max_in_flight: usize,
    pub upstream_stall: Duration,
    pub sink: Sink,
    pub format: LogFormat,
    pub ending: Ending,
    /// No new connections.
    pub closing: tokio_util::sync::CancellationToken,
}

impl Plan {
    /// As the settings say.
    pub fn new(
        config: &Config,
        gate: Arc<Gate>,
        tls: Option<TlsAcceptor>,
        (sink, format): (Sink, LogFormat),
    ) -> Self {
        let Gateway {
            connection, upstream, ..
        } = &config.gateway;
        let patience = Patience {
            head: Duration::from_secs(config.server.header_timeout_s),
            idle: Duration::from_secs(connection.idle_s),
            stall: Duration::from_secs(connection.stall_s),
            body_floor: connection.body_floor,
        };
        let linger = Duration::from_secs(connection.linger_s);
        Self {
            gate,
            tls,
            caps: Caps::new(config.server.max_connections, connection.per_address),
            manners: Manners {
                head: connection.head_limits(),
                patience,
                linger,
            },
            pool: PoolSettings {
                connect_timeout: upstream.connect_timeout(),
                idle: upstream.idle(),
                max_idle: upstream.max_idle,
            },
            max_in_flight: upstream.max_in_flight,
            upstream_stall: Duration::from_secs(upstream.stall_s),
            sink,
            format,
            ending: Ending::default(),
            closing: tokio_util::sync::CancellationToken::new(),
        }
    }

    fn worker(&self, index: u64) -> Worker {
        let forwarder = Forwarder {
            pool: Pool::new(self.pool),
            dice: Dice::new(index),
            max_in_flight: self.max_in_flight,
            stall: self.upstream_stall,
        };
        Worker {
            gate: Arc::clone(&self.gate),
            forwarder,
            log: AccessLog::new(self.sink.clone(), self.format),
        }
    }
}

/// How many workers the setting means.
pub fn count(setting: usize) -> usize {
    if setting > 0 {
        setting
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}

/// Start one worker for each listener. A thread ends when it was told to and its last connection has ended.
///
/// # Errors
/// A thread or its runtime cannot be made.
pub fn start(plan: &Plan, listeners: Vec<TcpListener>) -> io::Result<Vec<JoinHandle<()>>> {
    let numbered = listeners.into_iter().zip(0_u64..);
    numbered
        .map(|(listener, index)| start_one(plan.clone(), listener, index))
        .collect()
}

fn start_one(plan: Plan, listener: TcpListener, index: u64) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(format!("worker-{index}"));
    // A local runtime belongs to its thread, so whether it could be made is told from there.
    let (tell, told) = std::sync::mpsc::channel();
    let handle = thread.spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                runtime.block_on(run(plan, listener, index));
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
    })?;
    told.recv()
        .unwrap_or_else(|_| Err(io::Error::other("the worker ended as it began")))?;
    Ok(handle)
}

async fn run(plan: Plan, listener: TcpListener, index: u64) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a worker cannot listen");
            return;
        }
    };
    let worker = Rc::new(plan.worker(index));
    let connections = TaskTracker::new();
    let housekeeping = tokio::task::spawn_local(keep_house(Rc::clone(&worker)));
    accept(&plan, &worker, &listener, &connections).await;
    drop(listener);
    connections.close();
    connections.wait().await;
    housekeeping.abort();
    worker.log.flush();
}

async fn keep_house(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(TICK).await;
        worker.log.flush();
        worker.forwarder.pool.sweep();
    }
}

/// Take connections until the plan says to close; then those that are already in the queue.
async fn accept(
    plan: &Plan,
    worker: &Rc<Worker>,
    listener: &tokio::net::TcpListener,
    connections: &TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = plan.closing.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => match plan.caps.take(address::limit_key(address.ip(), false)) {
                Ok(place) => {
                    connections.spawn_local(connect(
                        plan.clone(),
                        Rc::clone(worker),
                        (stream, address),
                        place,
                    ));
                }
                Err(full) => refused(full),
            },
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A connection that is closed at once leaves a count: whoever is in the middle of a flood needs no line for each.
fn refused(full: Full) {
    let cap = match full {
        Full::Altogether => "total",
        Full::UnderThisKey => "address",
    };
    metrics::counter!("gateway_connections_refused_total", "cap" => cap).increment(1);
}

async fn connect(plan: Plan, worker: Rc<Worker>, (stream, address): (TcpStream, SocketAddr), place: Place) {
    // Answers are written in one go; waiting to fill a packet only adds latency.
    let _ = stream.set_nodelay(true);
    let peer = Peer::new(address.ip(), plan.tls.is_some());
    match plan.tls {
        None => connection::serve(worker, stream, peer, plan.manners, plan.ending).await,
        Some(tls) => match tokio::time::timeout(plan.manners.patience.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                Box::pin(connection::serve(worker, stream, peer, plan.manners, plan.ending)).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => connection::given_up("handshake"),
        },
    }
    drop(place);
}
