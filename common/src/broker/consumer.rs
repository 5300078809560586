//! Consuming: bounded work in flight, a verdict on every delivery, and an orderly end.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Link, jittered};
use super::message::Outgoing;
use super::publisher::Publisher;
use super::retry;
use super::topology::Topology;
use crate::events::Event;

/// After a channel broke while the connection held, as when the broker refuses a declaration.
const REOPEN_PAUSE: Duration = Duration::from_secs(2);

/// A queue and how it is consumed. The arguments of a queue that exists cannot be changed: a new
/// `delivery_limit` needs a new queue name.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// By custom the service's name. The queue is named `<namespace>.<queue>`, its dead-letter queue
    /// `<namespace>.<queue>.dead`.
    pub queue: String,
    /// Routing keys: event types or patterns such as `appointment.*`.
    pub bindings: Vec<String>,
    /// Deliveries in work at the same time.
    pub prefetch: u16,
    /// Failed deliveries after which an event goes to the dead-letter queue; it is delivered once more
    /// than this at most.
    pub delivery_limit: i32,
}

/// What a handler says when it did not do its work. The reason is logged: no personal data in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something this service needs is away. Tried again, with growing pauses, until it is back;
    /// never counted against the event.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// This delivery failed. Delivered again after a pause, up to the queue's delivery limit.
    #[error("retry: {0}")]
    Retry(String),
    /// This event can never be handled: to the dead-letter queue at once.
    #[error("reject: {0}")]
    Reject(String),
}

pub(super) struct Consumer<H> {
    spec: ConsumerSpec,
    link: Link,
    publisher: Publisher,
    handler: H,
}

enum Verdict {
    Done,
    /// Counted by the broker.
    Again,
    /// Back to the queue untouched: this instance stops or lost its channel.
    Back,
    /// Held long enough: a fresh copy at the end of the queue takes its place.
    Copy,
    Dead,
}

impl<H, F> Consumer<H>
where
    H: Fn(Event) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    pub(super) fn new(spec: ConsumerSpec, link: Link, publisher: Publisher, handler: H) -> Self {
        Self {
            spec,
            link,
            publisher,
            handler,
        }
    }

    pub(super) async fn run(self, stop: &CancellationToken) {
        while let Some(connection) = next_connection(&self.link, stop).await {
            let over = stop.child_token();
            // Whatever way the session ends, nobody goes on waiting on its behalf.
            let _guard = over.clone().drop_guard();
            if let Err(error) = self.session(&connection, stop, &over).await {
                tracing::warn!(queue = %self.spec.queue, %error, "consumer interrupted");
                rest(&connection, stop).await;
            }
        }
    }

    async fn session(
        &self,
        connection: &Connection,
        stop: &CancellationToken,
        over: &CancellationToken,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        self.link.topology.declare_queue(&channel, &self.spec).await?;
        channel
            .basic_qos(self.spec.prefetch, BasicQosOptions::default())
            .await?;
        let mut deliveries = start(
            &channel,
            self.link.topology.queue(&self.spec),
            BasicConsumeOptions::default(),
        )
        .await?;
        tracing::info!(queue = %self.spec.queue, "consuming");

        let mut in_work = FuturesUnordered::new();
        let mut broken = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = in_work.next(), if !in_work.is_empty() => {}
                delivery = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => in_work.push(self.handle(delivery, over)),
                    Some(Err(error)) => { broken = Some(error); break }
                    None => break,
                },
            }
        }
        over.cancel();
        if broken.is_none() {
            let cancel = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
            cancel
                .await
                .unwrap_or_else(|error| tracing::debug!(%error, "cancelling the consumer"));
        }
        while in_work.next().await.is_some() {}
        match broken {
            Some(error) => Err(error),
            None => channel.close(200, "stop".into()).await,
        }
    }

    async fn handle(&self, delivery: Delivery, over: &CancellationToken) {
        let verdict = match serde_json::from_slice::<Event>(&delivery.data) {
            Ok(event) => self.attempt(event, retry::failures(&delivery), over).await,
            Err(error) => {
                // The cause quotes no content, only its position.
                tracing::error!(queue = %self.spec.queue, line = error.line(), column = error.column(),
                    "undecodable event goes to the dead-letter queue");
                Verdict::Dead
            }
        };
        self.settle(&delivery, verdict).await;
    }

    /// Calls the handler until it gives a verdict other than "something is away".
    async fn attempt(&self, event: Event, failures: u32, over: &CancellationToken) -> Verdict {
        let since = Instant::now();
        let mut tries = 0;
        loop {
            let (id, kind) = (event.id, &event.kind);
            let outcome = AssertUnwindSafe((self.handler)(event.clone()))
                .catch_unwind()
                .await;
            let failure = match outcome.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
                Ok(()) => return Verdict::Done,
                Err(failure) => failure,
            };
            tracing::warn!(queue = %self.spec.queue, event = %id, %kind, %failure, "event not handled");
            match failure {
                Failure::Reject(_) => return Verdict::Dead,
                Failure::Retry(_) => {
                    let waited = retry::pause(failures, over).await;
                    return if waited { Verdict::Again } else { Verdict::Back };
                }
                Failure::Unavailable(_) if since.elapsed() > retry::LONGEST_HOLD => return Verdict::Copy,
                Failure::Unavailable(_) => {
                    if !retry::pause(tries, over).await {
                        return Verdict::Back;
                    }
                    tries += 1;
                }
            }
        }
    }

    async fn settle(&self, delivery: &Delivery, verdict: Verdict) {
        let (outcome, settled) = match verdict {
            Verdict::Done => ("acknowledged", delivery.ack(BasicAckOptions::default()).await),
            // `reject` counts against the delivery limit on every version, `nack` only before 4.3.
            Verdict::Again => (
                "retried",
                delivery.reject(BasicRejectOptions { requeue: true }).await,
            ),
            Verdict::Dead => (
                "rejected",
                delivery.reject(BasicRejectOptions { requeue: false }).await,
            ),
            Verdict::Back => ("returned", give_back(delivery).await),
            Verdict::Copy => ("copied", self.replace(delivery).await),
        };
        metrics::counter!("rabbitmq_consumed_total", "queue" => self.spec.queue.clone(), "outcome" => outcome)
            .increment(1);
        if let Err(error) = settled {
            tracing::debug!(%error, "the delivery could not be settled; the broker will send it again");
        }
    }

    async fn replace(&self, delivery: &Delivery) -> lapin::Result<bool> {
        let copy = Outgoing::copy(
            self.link.topology.queue(&self.spec),
            &delivery.properties,
            &delivery.data,
        );
        match self.publisher.publish(copy).await {
            Ok(()) => delivery.ack(BasicAckOptions::default()).await,
            Err(_) => give_back(delivery).await,
        }
    }
}

/// Listens to broadcasts until the process stops.
pub(super) async fn listen<H, F>(link: &Link, handler: &H, stop: &CancellationToken)
where
    H: Fn(Bytes) -> F,
    F: Future<Output = ()>,
{
    while let Some(connection) = next_connection(link, stop).await {
        if let Err(error) = hear(&connection, &link.topology, handler, stop).await {
            tracing::warn!(%error, "broadcasts interrupted");
            rest(&connection, stop).await;
        }
    }
}

async fn hear<H, F>(
    connection: &Connection,
    topology: &Topology,
    handler: &H,
    stop: &CancellationToken,
) -> lapin::Result<()>
where
    H: Fn(Bytes) -> F,
    F: Future<Output = ()>,
{
    let channel = connection.create_channel().await?;
    let queue = topology.declare_listener(&channel).await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let mut heard = start(&channel, queue, options).await?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            next = heard.next() => match next {
                Some(delivery) => handler(delivery?.data.into()).await,
                None => return Ok(()),
            },
        }
    }
}

/// The next connection to work on; `None` once the process stops.
async fn next_connection(link: &Link, stop: &CancellationToken) -> Option<Arc<Connection>> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        connection = link.connection() => Some(connection),
    }
}

/// Keeps a channel that the broker refuses from being opened again at once.
async fn rest(connection: &Connection, stop: &CancellationToken) {
    if connection.status().connected() {
        retry::sleep(jittered(REOPEN_PAUSE), stop).await;
    }
}

async fn start(
    channel: &Channel,
    queue: ShortString,
    options: BasicConsumeOptions,
) -> lapin::Result<lapin::Consumer> {
    channel
        .basic_consume(queue, ShortString::default(), options, FieldTable::default())
        .await
}

async fn give_back(delivery: &Delivery) -> lapin::Result<bool> {
    let options = BasicNackOptions {
        multiple: false,
        requeue: true,
    };
    delivery.nack(options).await
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    // A panic's text may quote what it choked on.
    tracing::debug!(?text, "a handler panicked");
    Failure::Retry("the handler panicked".to_owned())
}
