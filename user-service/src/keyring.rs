//! The signing keys: made, rotated and shared by all instances through the database.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use common::auth::{Jwk, KeySet, Keys};
use common::clock::Clock;
use common::config::Live;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use sqlx::{MySqlConnection, MySqlPool};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::domain::secrets::Secrets;
use crate::domain::signing_key::{NewKey, Term, jwk, rotation_due, signer};
use crate::error::Error;
use crate::store::guards::{self, Guard};
use crate::store::revocations;
use crate::store::signing_keys::{self, Sealed};

/// Well below the lead of a new key, so that no instance still lacks it when it signs.
const RELOAD: Duration = Duration::from_secs(1);

/// Signs tokens and publishes the keys they are checked with.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    secrets: Arc<Secrets>,
    live: Arc<Live<Settings>>,
    held: ArcSwap<Vec<Held>>,
    /// What this service's own verifier looks at.
    published: Keys,
}

struct Held {
    public: Jwk,
    private: EncodingKey,
    term: Term,
}

/// A key as administrators see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyInfo {
    /// Its name in token headers.
    pub kid: String,
    /// From when it signs.
    pub signs_from: DateTime<Utc>,
    /// When it leaves the key set; unknown while it is the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Keyring {
    /// Holds no keys before [`Keyring::ensure`].
    pub fn new(secrets: Arc<Secrets>, live: Arc<Live<Settings>>, published: Keys) -> Self {
        Self(Arc::new(Inner {
            secrets,
            live,
            held: ArcSwap::default(),
            published,
        }))
    }

    /// Read the keys, and make one if there is none or the newest is too old.
    pub async fn ensure(&self, db: &MySqlPool, now: DateTime<Utc>) -> Result<(), Error> {
        if self.load(&mut *db.acquire().await?, now).await? {
            return Ok(());
        }
        let mut tx = db.begin().await?;
        guards::lock(&mut tx, Guard::SigningKeys).await?;
        // Another instance may have been faster.
        if !self.load(&mut tx, now).await? {
            self.add(&mut tx, false, now).await?;
        }
        tx.commit().await?;
        self.load(&mut *db.acquire().await?, now).await.map(drop)
    }

    /// Let a new key take over. The others stay published until their last token has expired, or go at once when
    /// `withdraw` says that they are in wrong hands.
    pub async fn rotate(
        &self,
        tx: &mut MySqlConnection,
        withdraw: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        guards::lock(tx, Guard::SigningKeys).await?;
        self.add(tx, withdraw, now).await
    }

    /// Take over what is in the database; false if a new key is due.
    pub async fn load(&self, connection: &mut MySqlConnection, now: DateTime<Utc>) -> Result<bool, Error> {
        let stored = signing_keys::published(connection, now).await?;
        let terms: Vec<Term> = stored.iter().map(|key| key.term).collect();
        let held = stored
            .iter()
            .map(|key| self.unseal(key))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let max_age = TimeDelta::days(self.0.live.current().signing_key.max_age_days);
        self.0.published.replace(&KeySet {
            keys: held.iter().map(|key| key.public.clone()).collect(),
        });
        self.0.held.store(Arc::new(held));
        Ok(!rotation_due(&terms, max_age, now))
    }

    /// The public keys.
    pub fn key_set(&self, now: DateTime<Utc>) -> KeySet {
        let held = self.0.held.load();
        let published = held.iter().filter(|key| key.term.is_published(now));
        KeySet {
            keys: published.map(|key| key.public.clone()).collect(),
        }
    }

    /// The keys and their terms.
    pub fn describe(&self) -> Vec<KeyInfo> {
        let info = |key: &Held| KeyInfo {
            kid: key.public.kid.clone(),
            signs_from: key.term.signs_from,
            expires_at: key.term.expires_at,
        };
        self.0.held.load().iter().map(info).collect()
    }

    /// Sign `claims` as a token of the given `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize, now: DateTime<Utc>) -> Result<String, Error> {
        let held = self.0.held.load();
        let terms: Vec<Term> = held.iter().map(|key| key.term).collect();
        let key = signer(&terms, now)
            .and_then(|place| held.get(place))
            .context("there is no key to sign with")?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.public.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &key.private).context("a token could not be signed")?)
    }

    /// Follow the database until `stop`: other instances rotate too.
    pub async fn keep_fresh(self, db: MySqlPool, clock: Clock, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(RELOAD))
            .await
            .is_some()
        {
            if let Err(error) = self.ensure(&db, clock.now()).await {
                tracing::warn!(%error, "signing keys cannot be read; the held ones stay");
            }
        }
    }

    async fn add(&self, tx: &mut MySqlConnection, withdraw: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let settings = self.0.live.current();
        let first = signing_keys::published(tx, now).await?.is_empty();
        let lead = if first || withdraw {
            TimeDelta::zero()
        } else {
            TimeDelta::seconds(settings.signing_key.lead_s)
        };
        let new = NewKey::generate().map_err(anyhow::Error::from)?;
        let private = self
            .0
            .secrets
            .seal(&context(&new.kid), &new.private)
            .map_err(anyhow::Error::from)?;
        let term = Term {
            signs_from: now + lead,
            expires_at: None,
        };
        let key = Sealed {
            kid: new.kid,
            public: new.public.to_vec(),
            private,
            term,
        };
        signing_keys::insert(tx, &key, now).await?;
        let longest = settings.token.access_life_s.max(settings.token.service_life_s);
        // A minute more than the longest life: clocks differ, and a slow instance may sign a moment too long.
        let end = if withdraw {
            now
        } else {
            term.signs_from + TimeDelta::seconds(longest + 60)
        };
        signing_keys::expire_others(tx, &key.kid, end).await?;
        if withdraw {
            revocations::announce(tx).await?;
        }
        tracing::info!(kid = key.kid, withdraw, "new signing key");
        Ok(())
    }

    fn unseal(&self, key: &Sealed) -> anyhow::Result<Held> {
        let private = self.0.secrets.open(&context(&key.kid), &key.private);
        let private = private.with_context(|| format!("signing key {}", key.kid))?;
        Ok(Held {
            public: jwk(&key.kid, &key.public),
            private: EncodingKey::from_ed_der(&private),
            term: key.term,
        })
    }
}

fn context(kid: &str) -> String {
    format!("signing key {kid}")
}
