use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};
use url::Url;

use crate::background::Background;
use crate::http::Client;

/// An Ed25519 public key as a JSON Web Key (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The public key, base64url without padding.
    pub x: String,
    /// Names the key in token headers.
    pub kid: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// A JSON Web Key Set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeySet {
    /// The keys that may have signed a token which is still good, newest first.
    pub keys: Vec<Jwk>,
}

/// The public keys that tokens are checked with, kept fresh in the background.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    known: ArcSwap<HashMap<String, Known>>,
    /// How many keys have come so far.
    stamps: AtomicU64,
    /// Names of keys that are over, whatever an answer still says. Held while the known keys change.
    over: std::sync::Mutex<HashSet<String>>,
    source: Option<Source>,
}

#[derive(Clone)]
struct Known {
    key: DecodingKey,
    stamp: KeyStamp,
}

/// Tells one key from every other that was known while this process ran, also from one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStamp(u64);

struct Source {
    client: Client,
    url: Url,
    every: Duration,
    wanted: Notify,
    last: Mutex<Option<Instant>>,
}

/// However many tokens name an unknown key, the set is read no more often than this.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// Longest reading, and longest wait of a request for a reading that is under way.
const PATIENCE: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 64 * 1024;
/// The newest are kept.
const MAX_KEYS: usize = 32;

impl Keys {
    /// Keys given by hand: user-service's own, or a test's.
    pub fn fixed(set: &KeySet) -> Self {
        let keys = Self::of(None);
        keys.replace(set);
        keys
    }

    /// Keys read from the pinned `url`, again every `every`, and when a token names one that is not known.
    pub fn from_url(client: Client, url: Url, every: Duration, background: &Background) -> Self {
        let keys = Self::of(Some(Source {
            client,
            url,
            every,
            wanted: Notify::new(),
            last: Mutex::default(),
        }));
        let worker = keys.clone();
        background.spawn("jwks", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = worker.keep_fresh() => {}
            }
        });
        keys
    }

    fn of(source: Option<Source>) -> Self {
        Self(Arc::new(Inner {
            known: ArcSwap::default(),
            stamps: AtomicU64::new(0),
            over: std::sync::Mutex::default(),
            source,
        }))
    }

    /// Put `set` in place of the known keys. Members that are not Ed25519 signature keys are left out, and so are two
    /// that share a name; a key that was known before keeps its stamp.
    pub fn replace(&self, set: &KeySet) {
        let over = self.0.over.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.0.known.load();
        let known = set.usable().into_iter().filter(|(kid, _)| !over.contains(kid));
        let stamped = known.map(|(kid, key)| {
            let same = before.get(&kid).filter(|old| is_same(&old.key, &key));
            let stamp = same.map_or_else(|| self.next_stamp(), |old| old.stamp);
            (kid, Known { key, stamp })
        });
        self.0.known.store(Arc::new(stamped.collect()));
    }

    fn next_stamp(&self) -> KeyStamp {
        KeyStamp(self.0.stamps.fetch_add(1, Ordering::Relaxed))
    }

    /// The keys with these names are over, and no others: what they signed is refused from now on, and the set is
    /// read again if one of them was in use.
    pub fn end(&self, kids: &[String]) {
        let mut over = self.0.over.lock().unwrap_or_else(PoisonError::into_inner);
        *over = kids.iter().cloned().collect();
        let mut known = HashMap::clone(&self.0.known.load());
        let before = known.len();
        known.retain(|kid, _| !over.contains(kid));
        if known.len() == before {
            return;
        }
        self.0.known.store(Arc::new(known));
        if let Some(source) = &self.0.source {
            source.wanted.notify_one();
        }
    }

    /// Whether the key of this stamp is still in the set: what was checked with it need not be checked again.
    pub fn holds(&self, stamp: KeyStamp) -> bool {
        self.0.known.load().values().any(|known| known.stamp == stamp)
    }

    /// There is at least one key.
    pub fn ready(&self) -> bool {
        !self.0.known.load().is_empty()
    }

    pub(super) fn with<T>(&self, kid: &str, check: impl FnOnce(&DecodingKey) -> T) -> Option<(T, KeyStamp)> {
        let known = self.0.known.load();
        known.get(kid).map(|known| (check(&known.key), known.stamp))
    }

    /// Read the set again, unless that was just done; true if it was read.
    pub(super) async fn refresh(&self) -> bool {
        let Some(source) = &self.0.source else {
            return false;
        };
        // One reader at a time; those who waited see what it read.
        let Ok(mut last) = tokio::time::timeout(PATIENCE, source.last.lock()).await else {
            return false;
        };
        if last.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return true;
        }
        // Already now: whoever gives up while it reads has not earned the next one a reading.
        *last = Some(Instant::now());
        let fresh = self.read(source).await;
        *last = Some(Instant::now());
        fresh
    }

    async fn read(&self, source: &Source) -> bool {
        let answer = tokio::time::timeout(PATIENCE, source.read()).await;
        match answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no whole answer in {PATIENCE:?}"))) {
            Ok(set) => {
                self.replace(&set);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the key set cannot be read; the known keys stay");
                false
            }
        }
    }

    async fn keep_fresh(&self) {
        let Some(source) = &self.0.source else { return };
        loop {
            let fresh = self.read(source).await;
            let pause = if fresh { source.every } else { MIN_INTERVAL };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = source.wanted.notified() => {}
            }
        }
    }
}

impl KeySet {
    /// The newest of its keys that tokens of ours can be signed with.
    fn usable(&self) -> HashMap<String, DecodingKey> {
        let alone = |jwk: &&Jwk| self.keys.iter().filter(|other| other.kid == jwk.kid).count() == 1;
        let keys = self.keys.iter().take(MAX_KEYS).filter(alone).filter_map(|jwk| {
            let fits = jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.usage == "sig" && jwk.alg == "EdDSA";
            let whole = URL_SAFE_NO_PAD
                .decode(&jwk.x)
                .is_ok_and(|point| point.len() == 32);
            let key = (fits && whole).then(|| DecodingKey::from_ed_components(&jwk.x).ok())??;
            Some((jwk.kid.clone(), key))
        });
        keys.collect()
    }
}

fn is_same(one: &DecodingKey, other: &DecodingKey) -> bool {
    let bytes = one.try_get_as_bytes().ok();
    bytes.is_some() && bytes == other.try_get_as_bytes().ok()
}

/// An answer of the pinned address: members that are no keys of ours are somebody else's business.
#[derive(Deserialize)]
struct Answer {
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

impl Source {
    async fn read(&self) -> anyhow::Result<KeySet> {
        let mut response = self
            .client
            .get(self.url.clone())
            .send()
            .await?
            .error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            anyhow::ensure!(
                body.len() <= MAX_ANSWER,
                "the key set is larger than {MAX_ANSWER} bytes"
            );
        }
        let answer: Answer = serde_json::from_slice(&body)?;
        // A private half that everybody can read makes its key worth nothing.
        let public = answer.keys.into_iter().filter(|key| !key.contains_key("d"));
        let keys = public
            .filter_map(|key| serde_json::from_value(key.into()).ok())
            .collect();
        let set = KeySet { keys };
        anyhow::ensure!(
            !set.usable().is_empty(),
            "the key set holds no key to check tokens with"
        );
        Ok(set)
    }
}
