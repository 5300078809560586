//! Publishes the events that documents carry, at least once, and takes them out when the broker has confirmed.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use common::background::Background;
use common::broker::{Broker, BrokerState};
use common::clock::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::outbox::{self, CARRIERS, Pending};
use crate::store::{Database, Error};

/// Another instance's writes, and what a dead one left, are found by looking.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(5);

/// A handle on the relay.
#[derive(Clone)]
pub struct Relay {
    wake: Arc<Notify>,
}

struct Loop {
    db: Database,
    broker: Broker,
    clock: Clock,
    wake: Arc<Notify>,
}

impl Relay {
    /// Start publishing what documents in `db` carry.
    pub fn start(db: Database, broker: Broker, clock: Clock, background: &Background) -> Self {
        let wake = Arc::new(Notify::new());
        let relay = Loop {
            db,
            broker,
            clock,
            wake: Arc::clone(&wake),
        };
        background.spawn("outbox-relay", |stop| async move { relay.run(&stop).await });
        Self { wake }
    }

    /// Something was written: look now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Loop {
    async fn run(self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            // While the broker is away the events stay where they are.
            tokio::select! {
                () = self.broker.connected() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "events wait: the record store cannot be read");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn round(&self) -> Result<(), Error> {
        for carrier in CARRIERS {
            while self.broker.state() == BrokerState::Connected {
                let Some(pending) = outbox::claim(&self.db, carrier, self.clock.now()).await? else {
                    break;
                };
                self.publish(&pending).await?;
            }
        }
        Ok(())
    }

    /// In order, and none after one that failed.
    async fn publish(&self, pending: &Pending) -> Result<(), Error> {
        let mut confirmed = 0;
        for event in &pending.events {
            if let Err(error) = self.broker.publish(event).await {
                tracing::warn!(%error, event = %event.id, "event not taken");
                break;
            }
            confirmed += 1;
        }
        outbox::published(&self.db, pending, &pending.events[..confirmed]).await?;
        if confirmed < pending.events.len() {
            outbox::release(&self.db, pending, self.clock.now() + AGAIN_AFTER).await?;
        }
        Ok(())
    }
}
