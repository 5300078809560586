use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{AccessClaims, Keys, ServiceTokens};
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
    /// Names of all signing keys that are over, by age or because they were withdrawn.
    #[serde(default)]
    pub keys: Vec<String>,
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
    /// Seconds since the epoch of the last word from the feed; `i64::MAX`: not fed; `i64::MIN`: nothing heard yet.
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

const ISSUER: &str = "user-service";
const LONG_POLL_S: u64 = 20;
/// After an answer that failed, or that came at once and brought nothing.
const PAUSE: Duration = Duration::from_millis(500);

impl Revocations {
    /// None known and never stale: user-service fills its own, tests theirs.
    pub fn local() -> Self {
        Self::heard_at(i64::MAX)
    }

    /// Nothing heard yet, so that no token is good before [`Revocations::heard`].
    pub fn awaited() -> Self {
        Self::heard_at(i64::MIN)
    }

    fn heard_at(seconds: i64) -> Self {
        Self(Arc::new(Inner {
            known: RwLock::default(),
            heard_at: AtomicI64::new(seconds),
            generation: AtomicU64::new(0),
        }))
    }

    /// Follow the feed of user-service, found by `issuer` at its pinned address; `keys` hears which of them are over.
    pub fn follow(
        (client, issuer): (Client, Url),
        tokens: ServiceTokens,
        keys: Keys,
        clock: Clock,
        tasks: &Background,
    ) -> Self {
        let revocations = Self::awaited();
        let feed = Feed {
            client,
            issuer,
            tokens,
            keys,
            clock,
            into: revocations.clone(),
        };
        tasks.spawn("revocations", |stop| feed.run(stop));
        revocations
    }

    /// The feed spoke at `now`: what it said so far is the whole truth up to then.
    pub fn heard(&self, now: DateTime<Utc>) {
        self.0.heard_at.store(now.timestamp(), Ordering::Relaxed);
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

    /// Seconds since the feed was last heard: 0 when it is not fed, `None` when nothing has been heard yet.
    pub fn age(&self, now: DateTime<Utc>) -> Option<i64> {
        match self.0.heard_at.load(Ordering::Relaxed) {
            i64::MAX => Some(0),
            i64::MIN => None,
            heard => Some(now.timestamp() - heard),
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
    keys: Keys,
    clock: Clock,
    into: Revocations,
}

impl Feed {
    async fn run(self, stop: CancellationToken) {
        let mut started = false;
        while !stop.is_cancelled() {
            let (begun, before) = (Instant::now(), self.into.seq());
            let Some(answer) = stop.run_until_cancelled(self.read(started)).await else {
                return;
            };
            let news = match &answer {
                Ok(feed) => {
                    self.take(feed);
                    feed.seq != before || begun.elapsed() >= PAUSE
                }
                Err(error) => {
                    tracing::debug!(%error, "the revocation feed is away");
                    false
                }
            };
            // A restarted issuer may count anew: after a failure begin again with the whole snapshot.
            started = answer.is_ok();
            if !news {
                let _ = stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
    }

    fn take(&self, feed: &RevocationFeed) {
        let now = self.clock.now();
        self.into.apply(feed, now);
        self.keys.end(&feed.keys);
        self.into.heard(now);
    }

    async fn read(&self, started: bool) -> anyhow::Result<RevocationFeed> {
        let mut url = self.issuer.join("internal/revocations")?;
        if started {
            let (after, wait) = (self.into.seq().to_string(), LONG_POLL_S.to_string());
            url.query_pairs_mut()
                .append_pair("after", &after)
                .append_pair("wait", &wait);
        }
        let token = self.tokens.for_service(ISSUER).await?;
        let request = self
            .client
            .get(url)
            .bearer_auth(token)
            .timeout(Duration::from_secs(LONG_POLL_S + 5));
        let response = request.send().await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // Its key may have been withdrawn.
            self.tokens.forget(ISSUER).await;
        }
        Ok(response.error_for_status()?.json().await?)
    }
}
