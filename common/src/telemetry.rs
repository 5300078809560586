//! Logs: structured, in UTC, one line per event, with the request's id; never names, addresses, tokens or contents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{self, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Section `log`.
#[derive(Debug, Clone, Deserialize)]
pub struct LogSettings {
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
    /// One level for everything, and others for single targets: `info,sqlx=warn`.
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

/// The levels there are, as Actuator names them.
pub const LEVELS: [&str; 7] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// The name of the logger above all others.
pub const ROOT: &str = "ROOT";

/// Target → level in capitals; [`ROOT`] is everything else.
type Levels = BTreeMap<String, String>;

/// Begin to log to standard output.
pub fn init(settings: &LogSettings) -> anyhow::Result<LogControl> {
    let (filter, control) = filter(&settings.level)?;
    let registry = tracing_subscriber::registry().with(filter).with(Counted);
    match settings.format {
        LogFormat::Text => registry.with(fmt::layer().with_ansi(false)).try_init()?,
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true))
            .try_init()?,
    }
    Ok(control)
}

/// Refuse what [`LogSettings::level`] cannot be; the error names the part that is wrong.
pub fn check(directives: &str) -> anyhow::Result<()> {
    parse(directives).map(drop)
}

fn filter(directives: &str) -> anyhow::Result<(reload::Layer<Targets, Registry>, LogControl)> {
    let levels = parse(directives)?;
    let (filter, handle) = reload::Layer::new(targets(&levels)?);
    Ok((filter, LogControl::new(Some(handle), levels)))
}

/// Counts what is logged, by level, under the name that dashboards know.
struct Counted;

impl<S: Subscriber> Layer<S> for Counted {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        metrics::counter!("logback_events_total", "level" => level).increment(1);
    }
}

/// Changes what is logged while the process runs.
#[derive(Clone)]
pub struct LogControl(Arc<Inner>);

struct Inner {
    handle: Option<reload::Handle<Targets, Registry>>,
    state: Mutex<State>,
}

struct State {
    /// What the settings say of [`ROOT`].
    root: String,
    levels: Levels,
}

impl LogControl {
    /// Controls nothing: for tests, which share one process.
    pub fn detached() -> Self {
        Self::new(None, Levels::from([(ROOT.to_owned(), "INFO".to_owned())]))
    }

    fn new(handle: Option<reload::Handle<Targets, Registry>>, levels: Levels) -> Self {
        let root = levels.get(ROOT).cloned().unwrap_or_default();
        let state = Mutex::new(State { root, levels });
        Self(Arc::new(Inner { handle, state }))
    }

    /// The level of each logger that has one of its own, in capitals.
    pub fn levels(&self) -> BTreeMap<String, String> {
        self.state().levels.clone()
    }

    /// Put the filter `directives` in force; an error leaves the old one.
    pub fn reset(&self, directives: &str) -> anyhow::Result<()> {
        let levels = parse(directives)?;
        let mut state = self.state();
        self.reload(&levels)?;
        state.root = levels.get(ROOT).cloned().unwrap_or_default();
        state.levels = levels;
        Ok(())
    }

    /// Log the target `name` at `level`. `None`: as its parent does, and [`ROOT`] as the settings say.
    /// An error leaves things as they are.
    pub fn set_level(&self, name: &str, level: Option<&str>) -> anyhow::Result<()> {
        ensure!(is_target(name), "`{name}` is no name of a logger");
        let mut state = self.state();
        let mut levels = state.levels.clone();
        match level {
            Some(level) => levels.insert(name.to_owned(), level.to_ascii_uppercase()),
            None if name == ROOT => levels.insert(name.to_owned(), state.root.clone()),
            None => levels.remove(name),
        };
        self.reload(&levels)?;
        state.levels = levels;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reload(&self, levels: &Levels) -> anyhow::Result<()> {
        let targets = targets(levels)?;
        match &self.0.handle {
            Some(handle) => Ok(handle.reload(targets)?),
            None => Ok(()),
        }
    }
}

/// A bare word that is no level would be taken for a target, and everything else be silent.
fn parse(directives: &str) -> anyhow::Result<Levels> {
    let mut levels = Levels::new();
    for directive in directives.split(',') {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target.trim(), level.trim()),
            None => (ROOT, directive.trim()),
        };
        filter_of(level).with_context(|| format!("log.level: `{}`", directive.trim()))?;
        ensure!(is_target(target), "log.level: `{target}` is no target");
        let former = levels.insert(target.to_owned(), level.to_ascii_uppercase());
        ensure!(former.is_none(), "log.level: `{target}` has two levels");
    }
    ensure!(
        levels.contains_key(ROOT),
        "log.level: no level for everything else"
    );
    Ok(levels)
}

fn is_target(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

fn targets(levels: &Levels) -> anyhow::Result<Targets> {
    let mut targets = Targets::new();
    for (target, level) in levels {
        let level = filter_of(level)?;
        targets = match target.as_str() {
            ROOT => targets.with_default(level),
            target => targets.with_target(target, level),
        };
    }
    Ok(targets)
}

fn filter_of(level: &str) -> anyhow::Result<LevelFilter> {
    Ok(match level.to_ascii_uppercase().as_str() {
        "OFF" => LevelFilter::OFF,
        "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        "TRACE" => LevelFilter::TRACE,
        _ => bail!("a level is one of {}", LEVELS.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// How many of five events, one of each level, are logged for the target `store`.
    fn logged(work: impl FnOnce(&LogControl)) -> usize {
        let (filter, control) = filter("info,sqlx=warn").unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        let subscriber = tracing_subscriber::registry().with(filter).with(Counted);
        metrics::with_local_recorder(&recorder, || {
            tracing::subscriber::with_default(subscriber, || {
                work(&control);
                tracing::error!(target: "store", "e");
                tracing::warn!(target: "store", "w");
                tracing::info!(target: "store", "i");
                tracing::debug!(target: "store", "d");
                tracing::trace!(target: "store", "t");
            });
        });
        let text = recorder.handle().render();
        let counts = text
            .lines()
            .filter(|line| line.starts_with("logback_events_total{"));
        counts
            .inspect(|line| assert!(line.ends_with(" 1"), "{line}"))
            .count()
    }

    #[test]
    fn what_is_set_is_logged_at_once_and_counted_by_level() {
        assert_eq!(logged(|_| ()), 3);
        assert_eq!(logged(|c| c.set_level("store", Some("DEBUG")).unwrap()), 4);
        assert_eq!(logged(|c| c.set_level("store", Some("OFF")).unwrap()), 0);
        assert_eq!(logged(|c| c.set_level(ROOT, Some("FATAL")).unwrap()), 1);
        assert_eq!(logged(|c| c.reset("off,store=trace").unwrap()), 5);
        assert_eq!(logged(|c| c.reset("inof").unwrap_err().to_string().clear()), 3);
    }

    #[test]
    fn a_cleared_logger_follows_its_parent_and_the_root_its_settings() {
        let (_filter, control) = filter("warn,sqlx=error").unwrap();
        control.set_level(ROOT, Some("TRACE")).unwrap();
        control.set_level(ROOT, None).unwrap();
        control.set_level("sqlx", None).unwrap();
        assert_eq!(
            control.levels(),
            Levels::from([(ROOT.to_owned(), "WARN".to_owned())])
        );
        control.reset("debug").unwrap();
        control.set_level(ROOT, Some("OFF")).unwrap();
        control.set_level(ROOT, None).unwrap();
        assert_eq!(control.levels()[ROOT], "DEBUG");
        for (name, level) in [("a", "LOUD"), ("", "INFO"), ("a=warn,b", "INFO"), ("ä", "INFO")] {
            assert!(control.set_level(name, Some(level)).is_err(), "{name} {level}");
        }
        assert_eq!(control.levels().len(), 1);
    }

    #[test]
    fn a_filter_has_one_level_for_everything_and_known_words_only() {
        for good in ["info", "WARN", "off, sqlx = trace", "a::b=debug,error"] {
            check(good).unwrap();
        }
        for bad in [
            "",
            "inof",
            "info,",
            "info,debug",
            "sqlx=warn",
            "info,sqlx",
            "info,sqlx=loud",
            "info,a[b]=warn",
            "info,a=warn,a=info",
            "info,=warn",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
