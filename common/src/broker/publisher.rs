//! Confirmed publishing: requests are gathered into windows, each window is confirmed as a whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::BrokerState;
use super::connection::Link;
use super::message::Outgoing;
use crate::background::Background;

const WINDOW: usize = 256;
const WAITING: usize = 4 * WINDOW;

/// Why an event is not known to be stored by the broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nothing was sent.
    #[error("no connection to the broker")]
    Away,
    /// It came back: nothing is bound for its type.
    #[error("no queue takes this event")]
    Returned,
    /// The broker said no.
    #[error("the broker refused the event")]
    Refused,
    /// It may be stored or not.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// It may be stored or not.
    #[error("the connection broke before the broker confirmed: {0}")]
    Lost(String),
    /// Our fault: nothing was sent.
    #[error("the event cannot be written as JSON: {0}")]
    Encoding(String),
}

struct Request {
    message: Outgoing,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

#[derive(Clone, Debug)]
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
    link: Link,
}

impl Publisher {
    pub(super) fn start(link: Link, patience: Duration, background: &Background) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING);
        let writer = Writer {
            link: link.clone(),
            waiting,
            patience,
        };
        background.spawn("broker-publisher", |stop| async move { writer.run(&stop).await });
        Self { requests, link }
    }

    pub(super) async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        if self.link.state() == BrokerState::Away {
            return Err(PublishError::Away);
        }
        let (answer, answered) = oneshot::channel();
        let request = Request { message, answer };
        self.requests
            .send(request)
            .await
            .map_err(|_| PublishError::Away)?;
        answered.await.unwrap_or(Err(PublishError::Away))
    }
}

struct Writer {
    link: Link,
    waiting: mpsc::Receiver<Request>,
    patience: Duration,
}

impl Writer {
    async fn run(mut self, stop: &CancellationToken) {
        let mut channel: Option<(Arc<Connection>, Channel)> = None;
        while let Some(window) = self.next_window(stop).await {
            if channel.is_none() {
                channel = self.open().await;
            }
            let Some((_, open)) = &channel else {
                for request in window {
                    request.refuse(PublishError::Away);
                }
                continue;
            };
            let intact = publish_window(open, window, self.patience).await;
            if !intact {
                // A late confirmation must not be taken for one of the next window.
                channel = None;
            }
        }
    }

    /// Waits for a request and takes with it whatever else is waiting. `None` once the process stops.
    async fn next_window(&mut self, stop: &CancellationToken) -> Option<Vec<Request>> {
        let mut window = Vec::new();
        tokio::select! {
            biased;
            _ = self.waiting.recv_many(&mut window, WINDOW) => {}
            () = stop.cancelled() => {}
        }
        (!window.is_empty()).then_some(window)
    }

    async fn open(&self) -> Option<(Arc<Connection>, Channel)> {
        let opening = async {
            let connection = self.link.connection().await;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>((connection, channel))
        };
        match tokio::time::timeout(self.patience, opening).await {
            Ok(Ok(open)) => Some(open),
            Ok(Err(error)) => {
                tracing::warn!(%error, "no channel to publish on");
                None
            }
            Err(_) => None,
        }
    }
}

impl Request {
    fn refuse(self, error: PublishError) {
        // Whoever asked may have gone away meanwhile.
        let _ = self.answer.send(Err(error));
    }
}

/// Publishes all of `window` and answers each request; `false` if the channel must not be used again.
///
/// lapin hands a returned message to whichever confirmation comes next, not to its own. All of a window's
/// confirmations are awaited before any is judged, and returns are matched by message id.
async fn publish_window(channel: &Channel, window: Vec<Request>, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let sending = window.iter().map(|request| async {
        match tokio::time::timeout_at(deadline, publish_one(channel, &request.message)).await {
            Ok(Ok(confirmation)) => Ok(confirmation),
            Ok(Err(error)) => Err(PublishError::Lost(error.to_string())),
            Err(_) => Err(PublishError::TimedOut),
        }
    });
    let outcomes = join_all(sending).await;
    let intact = outcomes.iter().all(Result::is_ok);
    let returned = returned_ids(&outcomes);
    for (request, outcome) in window.into_iter().zip(outcomes) {
        let verdict = if returned.contains(request.message.message_id.as_str()) {
            Err(PublishError::Returned)
        } else {
            outcome.and_then(|confirmation| match confirmation {
                Confirmation::Ack(_) => Ok(()),
                Confirmation::Nack(_) | Confirmation::NotRequested => Err(PublishError::Refused),
            })
        };
        count(&verdict);
        let _ = request.answer.send(verdict);
    }
    intact
}

async fn publish_one(channel: &Channel, message: &Outgoing) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions {
        mandatory: message.durable,
        immediate: false,
    };
    channel
        .basic_publish(
            message.exchange.clone(),
            message.routing_key.clone(),
            options,
            &message.body,
            message.properties(),
        )
        .await?
        .await
}

fn returned_ids(outcomes: &[Result<Confirmation, PublishError>]) -> HashSet<String> {
    outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) => {
                message.properties.message_id().as_ref().map(ToString::to_string)
            }
            _ => None,
        })
        .collect()
}

fn count(verdict: &Result<(), PublishError>) {
    let outcome = match verdict {
        Ok(()) => "confirmed",
        Err(PublishError::Returned) => "returned",
        Err(PublishError::Refused) => "refused",
        Err(_) => "unknown",
    };
    metrics::counter!("rabbitmq_published_total", "outcome" => outcome).increment(1);
}
