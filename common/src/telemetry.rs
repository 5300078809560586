//! Logs: structured, in UTC, one line per event, with the request's id; never names, addresses, tokens or contents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Section `log`.
#[derive(Debug, Clone, Deserialize)]
pub struct LogSettings {
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
    /// A tracing filter, as `info,sqlx=warn`.
    pub level: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Begin to log to standard output.
pub fn init(settings: &LogSettings) -> anyhow::Result<LogControl> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&settings.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    match settings.format {
        LogFormat::Text => registry.with(fmt::layer().with_ansi(false)).try_init()?,
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true))
            .try_init()?,
    }
    Ok(LogControl::new(Some(handle), &settings.level))
}

/// Changes what is logged while the process runs.
#[derive(Clone)]
pub struct LogControl(Arc<Inner>);

struct Inner {
    handle: Option<reload::Handle<EnvFilter, Registry>>,
    /// Target → level; [`ROOT`] is everything else.
    levels: Mutex<BTreeMap<String, String>>,
}

/// The name of the logger above all others.
pub const ROOT: &str = "ROOT";

impl LogControl {
    /// Controls nothing: for tests, which share one process.
    pub fn detached() -> Self {
        Self::new(None, "info")
    }

    fn new(handle: Option<reload::Handle<EnvFilter, Registry>>, directives: &str) -> Self {
        Self(Arc::new(Inner {
            handle,
            levels: Mutex::new(parse(directives)),
        }))
    }

    /// The configured level of each logger, in capitals.
    pub fn levels(&self) -> BTreeMap<String, String> {
        self.0
            .levels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Put the filter `directives` in force; an error leaves the old one.
    pub fn reset(&self, directives: &str) -> anyhow::Result<()> {
        self.apply(parse(directives))
    }

    /// Log the target `name` at `level` (`None`: as its parent does); an error leaves things as they are.
    pub fn set_level(&self, name: &str, level: Option<&str>) -> anyhow::Result<()> {
        let mut levels = self.levels();
        match level {
            Some(level) => levels.insert(name.to_owned(), level.to_ascii_uppercase()),
            None => levels.remove(name),
        };
        self.apply(levels)
    }

    fn apply(&self, levels: BTreeMap<String, String>) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(directives(&levels))?;
        if let Some(handle) = &self.0.handle {
            handle.reload(filter)?;
        }
        *self.0.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
        Ok(())
    }
}

fn parse(directives: &str) -> BTreeMap<String, String> {
    let pair = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => (target.trim().to_owned(), level.trim().to_ascii_uppercase()),
        None => (ROOT.to_owned(), directive.trim().to_ascii_uppercase()),
    };
    directives
        .split(',')
        .filter(|directive| !directive.trim().is_empty())
        .map(pair)
        .collect()
}

fn directives(levels: &BTreeMap<String, String>) -> String {
    let level = |level: &str| match level {
        "FATAL" => "error".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let each = levels.iter().map(|(target, l)| match target.as_str() {
        ROOT => level(l),
        target => format!("{target}={}", level(l)),
    });
    each.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_set_and_cleared_and_a_bad_one_refused() {
        let control = LogControl::new(None, "info,sqlx=warn");
        control.set_level("user_service::store", Some("DEBUG")).unwrap();
        assert_eq!(
            directives(&control.levels()),
            "info,sqlx=warn,user_service::store=debug"
        );
        assert!(control.set_level("a", Some("LOUD")).is_err());
        control.set_level("sqlx", None).unwrap();
        assert_eq!(directives(&control.levels()), "info,user_service::store=debug");
    }
}
