//! The transactional outbox in MySQL: an event is stored in the transaction that makes it true, and published
//! afterwards, at least once.
//!
//! A service copies [`TABLE`] into a migration of its own, calls [`push`] inside its transaction and
//! [`Outbox::wake`] after the commit. The relay takes waiting rows with `SKIP LOCKED`, so any number of
//! instances may run one. It claims rows for a while instead of holding a transaction open: a relay that dies or
//! sleeps while it publishes is succeeded after [`CLAIM_SECONDS`]. A copy published twice is dropped by consumers,
//! which remember event ids.

mod backlog;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{MySqlConnection, MySqlPool, QueryBuilder};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::actuator::Weight;
use crate::background::Background;
use crate::broker::{Broker, BrokerState, PublishError};
use crate::core::Core;
use crate::events::Event;

/// The table, for a migration of each service that has an outbox.
pub const TABLE: &str = "\
create table outbox (
    seq          bigint unsigned not null auto_increment primary key,
    event_id     binary(16)      not null,
    body         mediumtext      not null,
    state        varchar(8)      not null default 'NEW',
    attempts     int unsigned    not null default 0,
    -- Not before this moment: pushed ahead while a relay works on the row, and after a failure.
    available_at datetime(6)     not null,
    sent_at      datetime(6),
    constraint outbox_event unique (event_id),
    constraint outbox_state check (state in ('NEW', 'SENT')),
    key outbox_waiting (state, available_at),
    key outbox_sent (state, sent_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;
";

/// How long a relay may work on the rows it took before another may take them.
pub const CLAIM_SECONDS: u32 = 15;

const BATCH: u32 = 200;
/// A wake-up can be missed (another instance's commit, a process that died): look at least this often.
const POLL: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(15);
/// Sweeps are rarer than measurements by this factor.
const SWEEP_EVERY: u32 = 40;
const KEEP_DAYS: u32 = 7;
/// Pause before an event that no queue took is tried again: doubled each time up to this.
const LONGEST_PAUSE_MS: u64 = 30_000;

/// Store `event` in the caller's transaction. Call [`Outbox::wake`] once that is committed.
pub async fn push(connection: &mut MySqlConnection, event: &Event) -> sqlx::Result<()> {
    let body = serde_json::to_string(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("insert into outbox (event_id, body, available_at) values (?, ?, utc_timestamp(6))")
        .bind(event.id)
        .bind(body)
        .execute(connection)
        .await
        .map(drop)
}

/// A handle on the relay that publishes what was pushed.
#[derive(Clone)]
pub struct Outbox {
    pool: MySqlPool,
    wake: Arc<Notify>,
}

impl Outbox {
    /// Start the relay of `pool`'s outbox.
    pub fn start(pool: MySqlPool, broker: Broker, background: &Background) -> Self {
        let wake = Arc::new(Notify::new());
        let relay = Relay {
            pool: pool.clone(),
            broker,
            wake: wake.clone(),
        };
        background.spawn("outbox-relay", |stop| async move { relay.run(&stop).await });
        let house = pool.clone();
        background.spawn("outbox-house", |stop| async move {
            keep_house(&house, &stop).await;
        });
        Self { pool, wake }
    }

    /// Show what waits, and since when, as the health component `outbox`.
    pub fn watch(&self, core: &Core) {
        let (pool, clock) = (self.pool.clone(), core.clock.clone());
        core.health.add("outbox", Weight::Shown, move || {
            let (pool, now) = (pool.clone(), clock.now());
            async move { backlog::now(&pool, now).await.map_err(|error| error.to_string()) }
        });
    }

    /// Something was committed: look now instead of at the next poll.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

struct Relay {
    pool: MySqlPool,
    broker: Broker,
    wake: Arc<Notify>,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: u64,
    body: String,
    attempts: u32,
}

/// What a round found.
#[derive(PartialEq, Eq)]
enum Round {
    /// Perhaps there is more.
    Full,
    /// Nothing more is waiting.
    Drained,
    /// The broker went away.
    Interrupted,
}

impl Relay {
    async fn run(self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            // While the broker is away the rows stay where they are.
            tokio::select! {
                () = self.broker.connected() => {}
                () = stop.cancelled() => return,
            }
            match self.round().await {
                Ok(Round::Full) => continue,
                Ok(Round::Drained) => {}
                Ok(Round::Interrupted) => tracing::warn!("events wait in the outbox: the broker is away"),
                Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn round(&self) -> sqlx::Result<Round> {
        if self.broker.state() == BrokerState::Away {
            return Ok(Round::Interrupted);
        }
        let rows = self.claim().await?;
        if rows.is_empty() {
            return Ok(Round::Drained);
        }
        let full = rows.len() == BATCH as usize;
        let outcomes = join_all(rows.iter().map(|row| self.publish(row))).await;
        let interrupted = self.settle(&rows, &outcomes).await?;
        Ok(match (interrupted, full) {
            (true, _) => Round::Interrupted,
            (false, true) => Round::Full,
            (false, false) => Round::Drained,
        })
    }

    /// Take waiting rows for ourselves. Chosen by state and never by "greater than the last":
    /// numbers are given out in one order and committed in another.
    async fn claim(&self) -> sqlx::Result<Vec<Row>> {
        let mut tx = self.pool.begin().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select seq, body, attempts from outbox where state = 'NEW' and available_at <= utc_timestamp(6) \
             order by available_at, seq limit ? for update skip locked",
        )
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
        if !rows.is_empty() {
            let mut update = QueryBuilder::new(
                "update outbox set attempts = attempts + 1, available_at = utc_timestamp(6) + interval ",
            );
            update.push_bind(CLAIM_SECONDS).push(" second where ");
            push_seqs(&mut update, rows.iter().map(|row| row.seq));
            update.build().execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(rows)
    }

    async fn publish(&self, row: &Row) -> Result<(), PublishError> {
        let event: Event =
            serde_json::from_str(&row.body).map_err(|e| PublishError::Encoding(e.to_string()))?;
        self.broker.publish(&event).await
    }

    /// Write down what the broker confirmed and give the rest back; whether the broker went away meanwhile.
    async fn settle(&self, rows: &[Row], outcomes: &[Result<(), PublishError>]) -> sqlx::Result<bool> {
        let mut sent = Vec::new();
        let mut unsent = Vec::new();
        for (row, outcome) in rows.iter().zip(outcomes) {
            match outcome {
                Ok(()) => sent.push(row.seq),
                Err(PublishError::Away | PublishError::Lost(_) | PublishError::TimedOut) => {
                    unsent.push(row.seq);
                }
                Err(error) => self.postpone(row, error).await?,
            }
        }
        if !sent.is_empty() {
            let mut update =
                QueryBuilder::new("update outbox set state = 'SENT', sent_at = utc_timestamp(6) where ");
            push_seqs(&mut update, sent.iter().copied());
            update.build().execute(&self.pool).await?;
        }
        if !unsent.is_empty() {
            let mut update = QueryBuilder::new(
                "update outbox set available_at = utc_timestamp(6) where state = 'NEW' and ",
            );
            push_seqs(&mut update, unsent.iter().copied());
            update.build().execute(&self.pool).await?;
        }
        Ok(!unsent.is_empty())
    }

    /// The broker is there and did not take this one: others must not wait for it.
    async fn postpone(&self, row: &Row, error: &PublishError) -> sqlx::Result<()> {
        let pause = pause_ms(row.attempts);
        tracing::warn!(%error, seq = row.seq, attempts = row.attempts, pause_ms = pause, "event not taken");
        sqlx::query("update outbox set available_at = utc_timestamp(6) + interval ? * 1000 microsecond where seq = ? and state = 'NEW'")
            .bind(pause)
            .bind(row.seq)
            .execute(&self.pool)
            .await
            .map(drop)
    }
}

fn pause_ms(attempts: u32) -> u64 {
    (250_u64 << attempts.min(16)).min(LONGEST_PAUSE_MS)
}

fn push_seqs(query: &mut QueryBuilder<sqlx::MySql>, seqs: impl Iterator<Item = u64>) {
    query.push("seq in (");
    let mut list = query.separated(", ");
    for seq in seqs {
        list.push_bind(seq);
    }
    query.push(")");
}

/// Measures what waits, and forgets what was published long ago: it is kept for a while to see what went out, and to
/// send it again by hand.
async fn keep_house(pool: &MySqlPool, stop: &CancellationToken) {
    for turn in 0_u32.. {
        if let Err(error) = measure(pool).await {
            tracing::debug!(%error, "the outbox cannot be measured");
        }
        if turn.is_multiple_of(SWEEP_EVERY)
            && let Err(error) = sweep(pool).await
        {
            tracing::warn!(%error, "the outbox cannot be swept");
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// For an alarm: events that wait although the broker should have them.
async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let waiting = backlog::waiting(pool).await?;
    metrics::gauge!("outbox_waiting").set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
    Ok(())
}

async fn sweep(pool: &MySqlPool) -> sqlx::Result<()> {
    sqlx::query(
        "delete from outbox where state = 'SENT' and sent_at < utc_timestamp(6) - interval ? day limit 5000",
    )
    .bind(KEEP_DAYS)
    .execute(pool)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let pauses: Vec<u64> = (0..9).map(pause_ms).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(pause_ms(u32::MAX), LONGEST_PAUSE_MS);
    }
}
