//! Health: what works, what does not, and what that means for traffic.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

use super::disk::Disk;

const PATIENCE: Duration = Duration::from_secs(2);
const PING: &str = "ping";
const LIVENESS: &str = "livenessState";
const READINESS: &str = "readinessState";
/// Below this many free bytes the disk counts as full.
const THRESHOLD: u64 = 10 * 1024 * 1024;

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// Whether a component's failure takes the instance out of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Nothing useful can be answered without it: counts for readiness.
    Needed,
    /// Work goes on without it, as bookings without the broker: shown only.
    Shown,
}

/// The components of a service's health.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    stopping: AtomicBool,
    components: RwLock<Vec<Component>>,
}

#[derive(Clone)]
struct Component {
    name: &'static str,
    weight: Weight,
    check: Check,
}

/// The worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Down,
    OutOfService,
    Up,
}

/// What is asked about together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Whole,
    /// Asks no dependency, or an outage of one would restart the whole fleet.
    Liveness,
    Readiness,
}

/// The state of one part.
struct Finding {
    name: &'static str,
    status: Status,
    details: Value,
}

/// The state of the parts that were asked.
pub(super) struct Report {
    pub(super) status: Status,
    findings: Vec<Finding>,
}

impl Default for Health {
    /// The components that every service has: the process itself and its disk.
    fn default() -> Self {
        let health = Self(Arc::new(Inner {
            stopping: AtomicBool::new(false),
            components: RwLock::default(),
        }));
        for name in [PING, LIVENESS] {
            health.add(name, Weight::Shown, || async { Ok(Value::Null) });
        }
        health.add("diskSpace", Weight::Shown, || async { disk_space() });
        health
    }
}

fn disk_space() -> Result<Value, String> {
    let disk = Disk::here().ok_or("the disk cannot be looked at")?;
    if disk.free < THRESHOLD {
        return Err(format!("only {} bytes are free at {}", disk.free, disk.path));
    }
    Ok(json!({
        "total": disk.total, "free": disk.free, "threshold": THRESHOLD, "path": disk.path, "exists": true,
    }))
}

impl Health {
    /// Add the component `name`; `check` gives details, or says what is wrong.
    pub fn add<F>(&self, name: &'static str, weight: Weight, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        let mut components = self.0.components.write().unwrap_or_else(PoisonError::into_inner);
        components.push(Component { name, weight, check });
    }

    /// From now on readiness says OUT_OF_SERVICE, and so does the whole.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// The state of a group.
    pub(super) async fn group(&self, group: Group) -> Report {
        let mut report = self.ask(|name, weight| group.has(name, weight)).await;
        if group == Group::Readiness && report.status == Status::Down {
            report.status = Status::OutOfService;
        }
        report
    }

    /// The state of one component, if `group` has it.
    pub(super) async fn component(&self, group: Group, wanted: &str) -> Option<Report> {
        let report = self
            .ask(|name, weight| name == wanted && group.has(name, weight))
            .await;
        (!report.findings.is_empty()).then_some(report)
    }

    async fn ask(&self, wanted: impl Fn(&str, Weight) -> bool) -> Report {
        let asked: Vec<Component> = {
            let all = self.0.components.read().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .filter(|component| wanted(component.name, component.weight))
                .cloned()
                .collect()
        };
        let mut findings = join_all(asked.iter().map(Component::look)).await;
        if wanted(READINESS, Weight::Needed) {
            findings.push(self.traffic());
        }
        let status = findings.iter().map(|finding| finding.status).min();
        Report {
            status: status.unwrap_or(Status::Up),
            findings,
        }
    }

    fn traffic(&self) -> Finding {
        let stopping = self.0.stopping.load(Ordering::Relaxed);
        Finding {
            name: READINESS,
            status: if stopping {
                Status::OutOfService
            } else {
                Status::Up
            },
            details: Value::Null,
        }
    }
}

impl Component {
    async fn look(&self) -> Finding {
        let answer = tokio::time::timeout(PATIENCE, (self.check)()).await;
        let (status, details) = match answer {
            Ok(Ok(details)) => (Status::Up, details),
            Ok(Err(error)) => (Status::Down, json!({ "error": error })),
            Err(_) => (Status::Down, json!({ "error": "no answer in time" })),
        };
        Finding {
            name: self.name,
            status,
            details,
        }
    }
}

impl Group {
    /// The group of this name in a path.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "liveness" => Some(Self::Liveness),
            "readiness" => Some(Self::Readiness),
            _ => None,
        }
    }

    fn has(self, name: &str, weight: Weight) -> bool {
        match self {
            Self::Whole => true,
            Self::Liveness => [PING, LIVENESS].contains(&name),
            Self::Readiness => weight == Weight::Needed,
        }
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Up => "UP",
        }
    }
}

impl Finding {
    fn json(&self, details: bool) -> Value {
        let mut document = json!({ "status": self.status.name() });
        if details && !self.details.is_null() {
            document["details"] = self.details.clone();
        }
        document
    }
}

impl Report {
    /// Actuator's document of a group; details only for those who may see them.
    pub(super) fn json(&self, details: bool) -> Value {
        let components = self.findings.iter();
        let components: Map<String, Value> = components
            .map(|finding| (finding.name.to_owned(), finding.json(details)))
            .collect();
        json!({ "status": self.status.name(), "components": components })
    }

    /// Actuator's document of the one component that was asked.
    pub(super) fn json_of_one(&self, details: bool) -> Value {
        self.findings
            .first()
            .map_or(Value::Null, |finding| finding.json(details))
    }
}
