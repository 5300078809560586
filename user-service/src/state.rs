//! What handlers work with.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use axum::extract::FromRef;
use common::auth::Verifier;
use common::config::Live;
use common::core::Core;
use common::outbox::Outbox;
use common::page::Cursors;
use secrecy::ExposeSecret;
use sqlx::MySqlPool;
use tokio::sync::Notify;

use crate::client::Networks;
use crate::config::Settings;
use crate::domain::secrets::{Secrets, equal, fingerprint};
use crate::hashing::Hasher;
use crate::keyring::Keyring;
use crate::revocation::Feed;

/// A service's secret shorter than this is a placeholder that somebody forgot.
const MIN_SERVICE_SECRET: usize = 16;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// The parts of [`AppState`].
pub struct Parts {
    pub core: Core,
    live: Arc<Live<Settings>>,
    pub db: MySqlPool,
    pub secrets: Arc<Secrets>,
    pub hasher: Hasher,
    /// Failed attempts that this instance has counted.
    pub failures: AtomicU64,
    pub keyring: Keyring,
    pub feed: Feed,
    pub outbox: Outbox,
    pub cursors: Cursors,
    pub services: Services,
    /// Somebody asked for a password reset.
    pub resets: Arc<Notify>,
}

impl AppState {
    /// Put the parts together. Refuses settings that could not work.
    pub fn new(core: Core, live: Arc<Live<Settings>>, db: MySqlPool, outbox: Outbox) -> anyhow::Result<Self> {
        let settings = live.current();
        let secrets = Arc::new(secrets(&settings)?);
        let published = core.verifier.keys().clone();
        // The service's own secret may be absent here; the master key is not.
        let cursors = Cursors::new(settings.master.key.as_ref().unwrap_or(&"".into()));
        Ok(Self(Arc::new(Parts {
            hasher: Hasher::new(&settings.password)?,
            failures: AtomicU64::new(0),
            keyring: Keyring::new(secrets.clone(), live.clone(), published),
            feed: Feed::new(db.clone(), core.verifier.revocations().clone()),
            services: Services::parse(&settings)?,
            cursors,
            resets: Arc::default(),
            secrets,
            outbox,
            db,
            live,
            core,
        })))
    }
}

impl Parts {
    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.live.current()
    }
}

/// The keys derived from MASTER_KEY.
pub fn secrets(settings: &Settings) -> anyhow::Result<Secrets> {
    let master = settings
        .master
        .key
        .as_ref()
        .context("MASTER_KEY is not set: 32 random bytes in base64")?;
    Secrets::new(master).context("MASTER_KEY")
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.core.verifier.clone()
    }
}

impl FromRef<AppState> for Networks {
    fn from_ref(state: &AppState) -> Self {
        state.settings().client.trusted_proxies.clone()
    }
}

/// The services that may ask for a token, each with the hash of its secret.
pub struct Services(HashMap<String, [u8; 32]>);

impl Services {
    fn parse(settings: &Settings) -> anyhow::Result<Self> {
        let Some(text) = &settings.service.secrets else {
            return Ok(Self(HashMap::new()));
        };
        let pairs = text
            .expose_secret()
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        let services = pairs.map(|pair| {
            let (name, secret) = pair
                .split_once(':')
                .context("SERVICE_SECRETS is not name:secret,name:secret,…")?;
            anyhow::ensure!(
                secret.len() >= MIN_SERVICE_SECRET,
                "SERVICE_SECRETS: the secret of {name} is too short"
            );
            Ok((name.to_owned(), fingerprint(&[secret.as_bytes()])))
        });
        services.collect::<anyhow::Result<_>>().map(Self)
    }

    /// `name` is a service and this its secret.
    pub fn know(&self, name: &str, secret: &str) -> bool {
        let given = fingerprint(&[secret.as_bytes()]);
        // Compared also for a name that nobody has, so that names cannot be found out by the clock.
        let expected = self.0.get(name).copied().unwrap_or_default();
        equal(&expected, &given) && self.0.contains_key(name)
    }

    /// There is a service of that name, so it may be called.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name) || name == crate::NAME
    }
}
