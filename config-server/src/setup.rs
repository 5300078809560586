//! Assembles the state and begins to watch the backend.

use std::sync::Arc;
use std::time::Duration;

use common::actuator::health::Weight;
use common::core::Core;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::Inner;
use crate::config::{BackendKind, ConfigSettings, GitSettings, ServedSettings};
use crate::domain::environment::PropertySource;
use crate::routes::monitor::Pace;
use crate::store::git::{Git, Remote};
use crate::store::native::Native;
use crate::store::repository::{Backend, Repository};

pub(crate) async fn inner(core: &Core, settings: &ConfigSettings) -> anyhow::Result<Inner> {
    let served = &settings.config;
    let repository = Arc::new(Repository::new(backend(served).await?));
    // A backend that is away now may come back: until then there is no answer, and readiness says so.
    let _ = repository.refresh().await;
    watch(core, &repository, Duration::from_secs(served.refresh_interval_s));
    let overrides = served.override_properties().map_err(anyhow::Error::msg)?;
    let overrides = (!overrides.is_empty()).then(|| PropertySource {
        name: "overrides".to_owned(),
        path: String::new(),
        properties: overrides,
    });
    Ok(Inner {
        credentials: served.credentials().map_err(anyhow::Error::msg)?,
        keyring: settings.encrypt.keyring().map_err(anyhow::Error::msg)?,
        repository,
        overrides,
        search_paths: served.search_paths.clone(),
        accept_empty: served.accept_empty,
        monitor_secret: settings.monitor.secret.clone(),
        pace: Pace::new(settings.monitor.per_minute, core.clock.clone()),
        bus: core.bus.clone(),
        clock: core.clock.clone(),
    })
}

async fn backend(settings: &ServedSettings) -> anyhow::Result<Backend> {
    match settings.backend {
        BackendKind::Native => Ok(Backend::Native(Native::new(&settings.folder))),
        BackendKind::Git => git(&settings.git).await,
    }
}

async fn git(settings: &GitSettings) -> anyhow::Result<Backend> {
    let (Some(url), Some(folder)) = (&settings.url, &settings.folder) else {
        anyhow::bail!("config.git.url and config.git.folder are needed by the git backend");
    };
    let password = settings.password.as_ref().map(ExposeSecret::expose_secret);
    let remote = Remote {
        url,
        login: settings.username.as_deref().zip(password),
    };
    let git = Git::open(&remote, folder, Duration::from_secs(settings.timeout_s)).await?;
    Ok(Backend::Git {
        git,
        default_label: settings.default_label.clone(),
    })
}

fn watch(core: &Core, repository: &Arc<Repository>, interval: Duration) {
    let watched = repository.clone();
    core.background
        .spawn("configuration-watch", move |stop| async move {
            watched.watch(interval, stop).await;
        });
    let asked = repository.clone();
    core.health.add("configServer", Weight::Needed, move || {
        let repository = asked.clone();
        async move {
            let Some(version) = repository.version() else {
                return Err(repository
                    .problem()
                    .unwrap_or_else(|| "nothing has been read yet".to_owned()));
            };
            // Old files are served all the same, so this is a remark and no failure.
            Ok(json!({ "version": version, "problem": repository.problem() }))
        }
    });
}
