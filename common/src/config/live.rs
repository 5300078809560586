//! Settings that change while the process runs.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::{CoreSettings, Layer, Settings, State, When, local, read, tree};
use crate::telemetry::LogControl;

/// The settings in force, and how to read them anew.
pub struct Live<T> {
    name: &'static str,
    defaults: Vec<Layer>,
    /// Keys, and beginnings of keys, that are looked at whenever they are needed.
    at_once: Vec<String>,
    log: LogControl,
    state: watch::Sender<Arc<State<T>>>,
    core: watch::Sender<Arc<CoreSettings>>,
    /// One at a time: an older answer must not replace a newer one.
    refreshing: Mutex<()>,
}

/// What a refresh has changed, by dotted keys.
#[derive(Debug)]
pub struct Refreshed {
    /// Every key whose value is another one.
    pub changed: Vec<String>,
    /// Those of them that take effect at the next start only.
    pub at_restart: Vec<String>,
}

/// Why the old settings stay in force.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Config-server gave none.
    #[error("{0}")]
    Away(String),
    /// The new ones do not fit.
    #[error("{0:#}")]
    Refused(#[from] anyhow::Error),
}

impl<T: Settings> Live<T> {
    pub(super) fn new(
        name: &'static str,
        (defaults, at_once): (Vec<Layer>, Vec<String>),
        log: LogControl,
        state: State<T>,
    ) -> Self {
        Self {
            name,
            defaults,
            at_once,
            log,
            core: watch::Sender::new(state.core.clone()),
            state: watch::Sender::new(Arc::new(state)),
            refreshing: Mutex::new(()),
        }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The service's own settings as they are now.
    pub fn current(&self) -> Arc<T> {
        self.state.borrow().own.clone()
    }

    /// The shared settings as they are now.
    pub fn core(&self) -> Arc<CoreSettings> {
        self.core.borrow().clone()
    }

    /// The shared settings, followed: for parts that know nothing of the service's own.
    pub fn follow_core(&self) -> watch::Receiver<Arc<CoreSettings>> {
        self.core.subscribe()
    }

    /// What is logged, to change it.
    pub fn log(&self) -> &LogControl {
        &self.log
    }

    /// The layers, weakest first, for `/actuator/env`.
    pub fn layers(&self) -> Vec<Layer> {
        self.state.borrow().layers.clone()
    }

    /// Read every layer again; on any error the old settings stay.
    ///
    /// # Errors
    /// [`RefreshError::Away`] when config-server gives no settings, [`RefreshError::Refused`] when they do not fit.
    pub async fn refresh(&self) -> Result<Refreshed, RefreshError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let fresh = read::<T>(self.name, local(self.name, &self.defaults), When::Refresh).await?;
        let changed = tree::difference(&self.state.borrow().layers, &fresh.layers);
        // Only then: a level set by hand stays until the configured one changes.
        if changed.iter().any(|key| key == "log.level") {
            self.log.reset(&fresh.core.log.level)?;
        }
        self.core.send_replace(fresh.core.clone());
        self.state.send_replace(Arc::new(fresh));
        let late = changed.iter().filter(|key| !self.takes_effect_at_once(key));
        let at_restart: Vec<String> = late.cloned().collect();
        if !at_restart.is_empty() {
            tracing::warn!(keys = ?at_restart, "these settings take effect at the next start only");
        }
        Ok(Refreshed { changed, at_restart })
    }

    fn takes_effect_at_once(&self, key: &str) -> bool {
        self.at_once.iter().any(|live| {
            key.strip_prefix(live.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Wait until the settings are read anew, again and again: for those who keep something built from them.
    pub fn changes(&self) -> Changes<T> {
        Changes(self.state.subscribe())
    }
}

/// Tells of new settings.
pub struct Changes<T>(watch::Receiver<Arc<State<T>>>);

impl<T> Changes<T> {
    /// The service's own settings after the next change; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Arc<T>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().own.clone())
    }
}
