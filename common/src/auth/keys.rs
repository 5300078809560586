use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
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
    /// The keys that may have signed a token which is still good.
    pub keys: Vec<Jwk>,
}

/// The public keys that tokens are checked with, kept fresh in the background.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    known: ArcSwap<HashMap<String, DecodingKey>>,
    /// Grows with every change of the set.
    generation: AtomicU64,
    source: Option<Source>,
}

struct Source {
    client: Client,
    url: Url,
    every: Duration,
    wanted: Notify,
    last: Mutex<Option<Instant>>,
}

/// However many tokens name an unknown key, the set is read no more often than this.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MAX_ANSWER: usize = 64 * 1024;
const MAX_KEYS: usize = 32;

impl Keys {
    /// Keys given by hand: user-service's own, or a test's.
    pub fn fixed(set: &KeySet) -> Self {
        let keys = Self(Arc::new(Inner {
            known: ArcSwap::default(),
            generation: AtomicU64::new(0),
            source: None,
        }));
        keys.replace(set);
        keys
    }

    /// Keys read from the pinned `url`, again every `every`, and when a token names one that is not known.
    pub fn from_url(client: Client, url: Url, every: Duration, background: &Background) -> Self {
        let source = Source {
            client,
            url,
            every,
            wanted: Notify::new(),
            last: Mutex::default(),
        };
        let keys = Self(Arc::new(Inner {
            known: ArcSwap::default(),
            generation: AtomicU64::new(0),
            source: Some(source),
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

    /// Put `set` in place of the known keys. Members that are not Ed25519 signature keys are left out.
    pub fn replace(&self, set: &KeySet) {
        let known = set.keys.iter().take(MAX_KEYS).filter_map(|jwk| {
            let fits = jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.usage == "sig" && jwk.alg == "EdDSA";
            let key = fits
                .then(|| DecodingKey::from_ed_components(&jwk.x).ok())
                .flatten()?;
            Some((jwk.kid.clone(), key))
        });
        let known: HashMap<String, DecodingKey> = known.collect();
        let same = {
            let before = self.0.known.load();
            let same_key = |kid: &String, key: &DecodingKey| {
                let old = before.get(kid).and_then(|old| old.try_get_as_bytes().ok());
                old.is_some() && old == key.try_get_as_bytes().ok()
            };
            before.len() == known.len() && known.iter().all(|(kid, key)| same_key(kid, key))
        };
        if !same {
            self.0.known.store(Arc::new(known));
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Changes whenever the set does: what was checked with keys of another generation must be checked again.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// There is at least one key.
    pub fn ready(&self) -> bool {
        !self.0.known.load().is_empty()
    }

    pub(super) fn with<T>(&self, kid: &str, check: impl FnOnce(&DecodingKey) -> T) -> Option<T> {
        self.0.known.load().get(kid).map(check)
    }

    /// Read the set again, unless that was just done; true if it was read.
    pub(super) async fn refresh(&self) -> bool {
        let Some(source) = &self.0.source else {
            return false;
        };
        // One reader at a time; those who waited see what it read.
        let mut last = source.last.lock().await;
        if last.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return true;
        }
        *last = Some(Instant::now());
        match source.read().await {
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
            self.refresh().await;
            let pause = if self.ready() {
                source.every
            } else {
                Duration::from_millis(500).max(MIN_INTERVAL)
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = source.wanted.notified() => {}
            }
        }
    }

    /// Ask for a reading soon, without waiting for it.
    pub fn want_refresh(&self) {
        if let Some(source) = &self.0.source {
            source.wanted.notify_one();
        }
    }
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
        let set: KeySet = serde_json::from_slice(&body)?;
        anyhow::ensure!(!set.keys.is_empty(), "the key set is empty");
        Ok(set)
    }
}
