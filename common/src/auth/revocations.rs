use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{AccessClaims, ServiceTokens};
use crate::background::Background;
use crate::clock::Clock;
use crate::http::Client;
use crate::ids::{SessionId, UserId};

/// What user-service answers on `GET /internal/revocations`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RevocationFeed {
    /// Pass as `after` to hear what is newer.
    pub seq: u64,
    /// Sessions whose tokens are worth nothing.
    pub sessions: Vec<RevokedSession>,
    /// Users whose tokens from before an instant are worth nothing.
    pub users: Vec<RevokedUser>,
}

/// A session that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevokedSession {
    /// Which.
    pub sid: SessionId,
    /// When its last token expires: no need to remember it longer.
    pub until: DateTime<Utc>,
}

/// A user whose earlier tokens no longer hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevokedUser {
    /// Who.
    pub user_id: UserId,
    /// Tokens issued before this instant are refused.
    pub before: DateTime<Utc>,
    /// When the last of them expires.
    pub until: DateTime<Utc>,
}

/// Which tokens no longer hold, although their signature and times are good.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    known: RwLock<Known>,
    /// Seconds since the epoch of the last word from the feed; `i64::MAX`: not fed.
    heard_at: AtomicI64,
    /// Grows with every change, for caches of verified tokens.
    generation: AtomicU64,
}

#[derive(Default)]
struct Known {
    seq: u64,
    sessions: HashMap<SessionId, DateTime<Utc>>,
    users: HashMap<UserId, (i64, DateTime<Utc>)>,
}

const LONG_POLL_S: u64 = 20;

impl Revocations {
    /// None known and never stale: user-service fills its own, tests theirs.
    pub fn local() -> Self {
        Self(Arc::new(Inner {
            known: RwLock::default(),
            heard_at: AtomicI64::new(i64::MAX),
            generation: AtomicU64::new(0),
        }))
    }

    /// Follow user-service's feed at its pinned address.
    pub fn follow(
        client: Client,
        issuer: Url,
        tokens: ServiceTokens,
        clock: Clock,
        tasks: &Background,
    ) -> Self {
        let revocations = Self::local();
        revocations.0.heard_at.store(0, Ordering::Relaxed);
        let feed = Feed {
            client,
            issuer,
            tokens,
            clock,
            into: revocations.clone(),
        };
        tasks.spawn("revocations", |stop| feed.run(stop));
        revocations
    }

    /// Take in what the feed says.
    pub fn apply(&self, feed: &RevocationFeed, now: DateTime<Utc>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.seq = feed.seq;
        known.sessions.retain(|_, until| *until > now);
        known.users.retain(|_, (_, until)| *until > now);
        known
            .sessions
            .extend(feed.sessions.iter().map(|revoked| (revoked.sid, revoked.until)));
        for revoked in &feed.users {
            let entry = known
                .users
                .entry(revoked.user_id)
                .or_insert((i64::MIN, revoked.until));
            entry.0 = entry.0.max(revoked.before.timestamp());
            entry.1 = entry.1.max(revoked.until);
        }
        drop(known);
        if !feed.sessions.is_empty() || !feed.users.is_empty() {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// The token's session or user has been cut off since it was issued.
    pub fn revoked(&self, claims: &AccessClaims) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.sessions.contains_key(&claims.sid)
            || known
                .users
                .get(&claims.sub)
                .is_some_and(|(before, _)| claims.iat < *before)
    }

    /// Seconds since the feed was last heard; 0 when it is not fed.
    pub fn age(&self, now: DateTime<Utc>) -> i64 {
        match self.0.heard_at.load(Ordering::Relaxed) {
            i64::MAX => 0,
            heard => now.timestamp() - heard,
        }
    }

    /// Changes whenever something is revoked: a cache of verified tokens compares it on every hit.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    fn seq(&self) -> u64 {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).seq
    }
}

struct Feed {
    client: Client,
    issuer: Url,
    tokens: ServiceTokens,
    clock: Clock,
    into: Revocations,
}

impl Feed {
    async fn run(self, stop: CancellationToken) {
        let mut started = false;
        while !stop.is_cancelled() {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = self.read(started) => answer,
            };
            let now = self.clock.now();
            match answer {
                Ok(feed) => {
                    self.into.apply(&feed, now);
                    self.into.0.heard_at.store(now.timestamp(), Ordering::Relaxed);
                    started = true;
                }
                Err(error) => {
                    tracing::debug!(%error, "the revocation feed is away");
                    // A restarted issuer may count anew: begin again with the whole snapshot.
                    started = false;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn read(&self, started: bool) -> anyhow::Result<RevocationFeed> {
        let mut url = self.issuer.join("internal/revocations")?;
        if started {
            let (after, wait) = (self.into.seq().to_string(), LONG_POLL_S.to_string());
            url.query_pairs_mut()
                .append_pair("after", &after)
                .append_pair("wait", &wait);
        }
        let token = self.tokens.for_service("user-service").await?;
        let request = self
            .client
            .get(url)
            .bearer_auth(token)
            .timeout(Duration::from_secs(LONG_POLL_S + 5));
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}
