//! Removes files that no record refers to: at once when their upload fails, later when a process died over it.

use chrono::TimeDelta;
use common::background::Background;
use common::clock::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::store::records::FileId;
use crate::store::{self, Database, Error};

const LOOK_EVERY: Duration = Duration::from_secs(15);
/// An upload shows life every ten seconds, and at most one silence of its client more.
const OPEN_SILENCE: TimeDelta = TimeDelta::seconds(60);
/// A process that was stopped in between may still write its record when it wakes.
const SEALED_SILENCE: TimeDelta = TimeDelta::hours(24);

/// A handle on the sweeper.
#[derive(Clone)]
pub struct Sweeper {
    orders: UnboundedSender<Order>,
}

/// What a request that ended, however it ended, leaves to be done.
enum Order {
    RemoveFile(FileId),
    EndRequest(String),
}

impl Sweeper {
    /// Start sweeping `db`.
    pub fn start(db: Database, clock: Clock, background: &Background) -> Self {
        let (orders, received) = unbounded_channel();
        background.spawn("upload-sweeper", |stop| run(db, clock, received, stop));
        Self { orders }
    }

    /// Remove a file soon. Should this process end first, the next look finds it.
    pub fn remove(&self, file: FileId) {
        let _ = self.orders.send(Order::RemoveFile(file));
    }

    /// The idempotent request `key` runs no more.
    pub fn end_request(&self, key: String) {
        let _ = self.orders.send(Order::EndRequest(key));
    }
}

async fn run(db: Database, clock: Clock, mut orders: UnboundedReceiver<Order>, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        let swept = tokio::select! {
            () = stop.cancelled() => break,
            Some(order) = orders.recv() => carry_out(&db, order).await,
            _ = look.tick() => sweep(&db, &clock).await.map(drop),
        };
        report(swept);
    }
    // Requests that ended during the stop.
    orders.close();
    while let Ok(order) = orders.try_recv() {
        report(carry_out(&db, order).await);
    }
}

async fn carry_out(db: &Database, order: Order) -> Result<(), Error> {
    match order {
        Order::RemoveFile(file) => remove(db, file).await,
        Order::EndRequest(key) => store::running::end(db, &key).await,
    }
}

fn report(swept: Result<(), Error>) {
    if let Err(error) = swept {
        tracing::warn!(%error, "what an unfinished request left could not be removed yet");
    }
}

/// Remove what was left behind; how many files it was.
pub async fn sweep(db: &Database, clock: &Clock) -> Result<usize, Error> {
    let now = clock.now();
    let stale = store::uploads::stale(db, now - OPEN_SILENCE, now - SEALED_SILENCE).await?;
    for file in &stale {
        remove(db, *file).await?;
    }
    Ok(stale.len())
}

async fn remove(db: &Database, file: FileId) -> Result<(), Error> {
    if !store::records::refers_to_file(db, file).await? {
        store::files::remove(db, file).await?;
        metrics::counter!("records_uploads_swept_total").increment(1);
    }
    store::uploads::close(db, file).await
}
