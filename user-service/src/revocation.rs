//! Tells the fleet within a moment whose tokens are worth nothing any more.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::auth::{RevocationFeed, Revocations, RevokedSession};
use common::clock::Clock;
use sqlx::MySqlPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::store::{revocations, signing_keys};

/// How soon an instance sees what another one revoked.
const POLL: Duration = Duration::from_millis(250);
/// How far the clocks of two instances may differ: a key that one of them just withdrew is over for the other too.
/// Keys that end by age are published for longer than this after their last token.
const CLOCKS: TimeDelta = TimeDelta::seconds(10);

/// The feed of revoked sessions, the same from every instance.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    db: MySqlPool,
    newest: watch::Sender<i64>,
    nudge: Notify,
    /// What this service's own verifier looks at.
    own: Revocations,
    /// No more waiting: the process stops.
    closing: CancellationToken,
}

impl Feed {
    /// Knows nothing before [`Feed::run`].
    pub fn new(db: MySqlPool, own: Revocations) -> Self {
        Self(Arc::new(Inner {
            db,
            newest: watch::Sender::new(0),
            nudge: Notify::new(),
            own,
            closing: CancellationToken::new(),
        }))
    }

    /// `sessions` have just been revoked by this instance: its own verifier hears it before the answer goes out.
    pub fn revoked(&self, sessions: Vec<RevokedSession>, now: DateTime<Utc>) {
        self.0.own.apply(
            &RevocationFeed {
                sessions,
                ..RevocationFeed::default()
            },
            now,
        );
        self.0.nudge.notify_one();
    }

    /// What was revoked after number `after`, or everything that still matters.
    pub async fn read(&self, after: Option<u64>, now: DateTime<Utc>) -> Result<RevocationFeed, Error> {
        let mut connection = self.0.db.acquire().await?;
        let after = after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let (newest, mut sessions) = revocations::after(&mut connection, after, now).await?;
        if newest < after {
            // The reader remembers a history that is not ours: a restored database. It gets everything.
            (_, sessions) = revocations::after(&mut connection, 0, now).await?;
        }
        Ok(RevocationFeed {
            seq: u64::try_from(newest).unwrap_or(0),
            sessions,
            users: Vec::new(),
            keys: signing_keys::over(&mut connection, now + CLOCKS).await?,
        })
    }

    /// Wait until there is something newer than `after`, for at most `patience`.
    pub async fn wait(&self, after: u64, patience: Duration) -> Result<(), Error> {
        let mut seen = self.0.newest.subscribe();
        // Asked of the database: what this instance has seen so far may be older than what the reader knows.
        let newest = revocations::newest(&mut *self.0.db.acquire().await?).await?;
        if u64::try_from(newest).unwrap_or(0) != after {
            return Ok(());
        }
        let news = seen.wait_for(|seq| u64::try_from(*seq).unwrap_or(0) > after);
        tokio::select! {
            _ = tokio::time::timeout(patience, news) => {}
            () = self.0.closing.cancelled() => {}
        }
        Ok(())
    }

    /// Let everybody who waits go: a stop must not take as long as they are patient.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Follow the database until `stop`.
    pub async fn run(self, clock: Clock, stop: CancellationToken) {
        let mut seen = 0;
        while !stop.is_cancelled() {
            match self.follow(seen, clock.now()).await {
                Ok(newest) => seen = newest,
                Err(error) => tracing::warn!(%error, "revocations cannot be read"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.nudge.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn follow(&self, seen: i64, now: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        let mut connection = self.0.db.acquire().await?;
        let newest = revocations::newest(&mut connection).await?;
        if newest != seen {
            let (newest, sessions) = revocations::after(&mut connection, seen.min(newest), now).await?;
            self.0.own.apply(
                &RevocationFeed {
                    sessions,
                    ..RevocationFeed::default()
                },
                now,
            );
            self.0.newest.send_replace(newest);
            return Ok(newest);
        }
        Ok(newest)
    }
}
