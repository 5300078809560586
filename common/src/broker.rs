//! The message broker (`RabbitMQ`): one connection per process, confirmed publishing, consumers with a dead-letter queue.
//!
//! A [`Broker`] is made at start-up and never blocks it: the connection is opened in the background and
//! opened again, for ever, when it is lost. While it is away [`Broker::publish`] fails at once, so whoever
//! publishes keeps the event somewhere durable first (`outbox`).

mod connection;
mod consumer;
mod message;
mod publisher;
mod retry;
mod topology;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::Background;
use crate::events::Event;

pub use consumer::{ConsumerSpec, Failure};
pub use publisher::PublishError;

use connection::Link;
use message::Outgoing;
use publisher::Publisher;

/// The `amqp` section of the settings.
#[derive(Clone, Debug, Deserialize)]
pub struct AmqpSettings {
    /// `amqp://user:password@host:port/vhost`; `amqps` for TLS. `None`: no broker.
    pub url: Option<SecretString>,
    /// Heartbeat interval asked of the broker, in seconds. A dead peer is noticed after at most two.
    pub heartbeat_s: u16,
    /// How long a publish may wait for the broker's confirmation, in milliseconds.
    pub confirm_timeout_ms: u64,
    /// What the names of exchanges and queues begin with.
    pub namespace: String,
    /// Exchanges and queues vanish when they are no longer used: for tests.
    #[serde(skip)]
    pub temporary: bool,
}

impl AmqpSettings {
    /// A namespace of its own at the broker at `url`, gone soon after its last use: for tests.
    pub fn for_test(url: impl Into<String>) -> Self {
        Self {
            url: Some(SecretString::from(url.into())),
            heartbeat_s: 10,
            confirm_timeout_ms: 5_000,
            namespace: format!("test-{}", Uuid::now_v7().simple()),
            temporary: true,
        }
    }
}

/// What is known of the connection right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerState {
    /// Events flow.
    Connected,
    /// Connected, but the broker takes no messages: it is short of memory or disk.
    Blocked,
    /// No connection; one is being sought.
    Away,
}

/// A handle on the broker; cloning is cheap and all clones share one connection.
#[derive(Clone)]
pub struct Broker {
    link: Link,
    publisher: Publisher,
    background: Background,
}

impl Broker {
    /// Starts connecting in the background and returns at once.
    pub fn start(settings: &AmqpSettings, background: &Background) -> Self {
        let link = Link::start(settings, background);
        let patience = Duration::from_millis(settings.confirm_timeout_ms);
        let publisher = Publisher::start(link.clone(), patience, background);
        Self {
            link,
            publisher,
            background: background.clone(),
        }
    }

    /// Publishes one event and waits until the broker has it on disk.
    ///
    /// Many calls may run at the same time; their confirmations are gathered together.
    ///
    /// # Errors
    /// Anything but a confirmation from at least one queue. After [`PublishError::TimedOut`] and
    /// [`PublishError::Lost`] the event may have arrived all the same: publishing it again is right, and
    /// consumers drop the second copy by its id.
    pub async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        self.publisher
            .publish(Outgoing::event(&self.link.topology, event)?)
            .await
    }

    /// Consumes a queue of events until the process stops; declares the queue, its bindings and its
    /// dead-letter queue whenever it (re)connects.
    ///
    /// At most `spec.prefetch` calls of `handler` run at the same time, in no promised order. When the
    /// process stops, calls that are running are finished and acknowledged.
    pub fn consume<H, F>(&self, spec: ConsumerSpec, handler: H)
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let consumer = consumer::Consumer::new(spec, self.link.clone(), self.publisher.clone(), handler);
        self.background
            .spawn("event-consumer", |stop| async move { consumer.run(&stop).await });
    }

    /// Sends `body` to every running instance of every service that listens now. Nothing is stored.
    ///
    /// # Errors
    /// When the broker did not confirm that it took the message.
    pub async fn broadcast(&self, body: impl Into<Bytes>) -> Result<(), PublishError> {
        self.publisher
            .publish(Outgoing::broadcast(&self.link.topology, body.into()))
            .await
    }

    /// Calls `handler` with the body of every broadcast sent while this instance is connected.
    pub fn on_broadcast<H, F>(&self, handler: H)
    where
        H: Fn(Bytes) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let link = self.link.clone();
        self.background
            .spawn("broadcast-listener", |stop: CancellationToken| async move {
                consumer::listen(&link, &handler, &stop).await;
            });
    }

    /// What is known of the connection right now.
    pub fn state(&self) -> BrokerState {
        self.link.state()
    }

    /// Returns when the broker is connected; at once if it is.
    pub async fn connected(&self) {
        self.link.connection().await;
    }

    /// The `rabbit` health component. A broker that is away is reported, and no reason to take a service
    /// out of rotation that writes its events to an outbox first.
    ///
    /// # Errors
    /// What is wrong, in words for an operator, when events do not flow.
    pub fn health(&self) -> Result<Value, String> {
        match self.state() {
            BrokerState::Connected => Ok(json!({ "state": "connected" })),
            BrokerState::Blocked => Err("the broker takes no messages: it is short of memory or disk".into()),
            BrokerState::Away => Err("not connected".into()),
        }
    }
}
