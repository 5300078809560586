//! The one connection of a process, opened again whenever it is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::topology::Topology;
use super::{AmqpSettings, BrokerState};
use crate::background::Background;

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The event stream tells of a loss at once; this is the net under it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end waits for those who still use the connection.
const LAST_ORDERS: Duration = Duration::from_secs(30);

type Current = Option<Arc<Connection>>;

#[derive(Clone)]
pub(super) struct Link {
    pub(super) topology: Topology,
    current: watch::Receiver<Current>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("state", &self.state()).finish()
    }
}

impl Link {
    pub(super) fn start(settings: &AmqpSettings, background: &Background) -> Self {
        let (sender, current) = watch::channel(None);
        let topology = Topology::new(&settings.namespace, settings.temporary);
        let settings = settings.clone();
        let declared = topology.clone();
        background.spawn("broker-connection", |stop| async move {
            keep_connected(&settings, &declared, &sender, &stop).await;
        });
        Self { topology, current }
    }

    pub(super) fn state(&self) -> BrokerState {
        match &*self.current.borrow() {
            Some(connection) if connection.status().blocked() => BrokerState::Blocked,
            Some(connection) if connection.status().connected() => BrokerState::Connected,
            _ => BrokerState::Away,
        }
    }

    /// The connection, when there is one. For ever pending once the process stops.
    pub(super) async fn connection(&self) -> Arc<Connection> {
        let mut current = self.current.clone();
        let alive = |current: &Current| current.as_ref().is_some_and(|c| c.status().connected());
        if let Ok(found) = current.wait_for(alive).await
            && let Some(connection) = found.as_ref()
        {
            return Arc::clone(connection);
        }
        std::future::pending().await
    }
}

async fn keep_connected(
    settings: &AmqpSettings,
    topology: &Topology,
    sender: &watch::Sender<Current>,
    stop: &CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        match connect(settings, topology).await {
            Ok(connection) => {
                tracing::info!("connected to the broker");
                pause = FIRST_PAUSE;
                serve(connection, sender, stop).await;
            }
            Err(reason) => tracing::warn!(%reason, retry_in = ?pause, "no connection to the broker"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(jittered(pause)) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

async fn connect(settings: &AmqpSettings, topology: &Topology) -> Result<Connection, String> {
    let url = settings.url.as_ref().ok_or("amqp.url is not set")?;
    let mut uri: AMQPUri = url.expose_secret().parse()?;
    uri.query.heartbeat = Some(settings.heartbeat_s);
    let opening = async {
        let connection = Connection::connect_uri(uri, ConnectionProperties::default()).await?;
        topology.declare_exchanges(&connection).await?;
        Ok(connection)
    };
    match tokio::time::timeout(CONNECT_PATIENCE, opening).await {
        Ok(opened) => opened.map_err(|error: lapin::Error| error.to_string()),
        Err(_) => Err("timed out".to_owned()),
    }
}

/// Lends the connection out until it breaks or the process stops.
async fn serve(connection: Connection, sender: &watch::Sender<Current>, stop: &CancellationToken) {
    let connection = Arc::new(connection);
    let mut events = connection.events_listener();
    sender.send_replace(Some(Arc::clone(&connection)));
    while connection.status().connected() && !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            event = events.next() => report(event.as_ref()),
        }
    }
    if stop.is_cancelled() {
        close_when_unused(connection, sender).await;
    } else {
        sender.send_replace(None);
        tracing::warn!("lost the connection to the broker");
    }
}

fn report(event: Option<&Event>) {
    match event {
        Some(Event::ConnectionBlocked(reason)) => tracing::warn!(%reason, "the broker blocks publishing"),
        Some(Event::ConnectionUnblocked) => tracing::info!("the broker takes messages again"),
        _ => {}
    }
}

/// Consumers and the publisher finish what they hold before the connection goes.
async fn close_when_unused(connection: Arc<Connection>, sender: &watch::Sender<Current>) {
    let unused = async {
        while sender.receiver_count() > 0 && Arc::strong_count(&connection) > 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(LAST_ORDERS, unused).await.is_err() {
        tracing::warn!("closing the broker's connection while it is in use");
    }
    sender.send_replace(None);
    if let Err(error) = connection.close(200, "stop".into()).await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
}

/// Between half of `pause` and all of it, so that a fleet does not return in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
