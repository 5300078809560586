//! Health: what works, what does not, and what that means for traffic.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

const PATIENCE: Duration = Duration::from_secs(2);

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
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
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

/// The state of the parts that were asked.
pub(super) struct Report {
    pub(super) up: bool,
    pub(super) status: &'static str,
    components: Vec<(&'static str, Result<Value, String>)>,
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

    /// From now on readiness says OUT_OF_SERVICE.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) async fn whole(&self) -> Report {
        self.ask(|_| true).await
    }

    pub(super) async fn readiness(&self) -> Report {
        let mut report = self.ask(|component| component.weight == Weight::Needed).await;
        if self.0.stopping.load(Ordering::Relaxed) || !report.up {
            report.up = false;
            report.status = "OUT_OF_SERVICE";
        }
        report
    }

    pub(super) async fn component(&self, name: &str) -> Option<Report> {
        let report = self.ask(|component| component.name == name).await;
        (!report.components.is_empty()).then_some(report)
    }

    async fn ask(&self, wanted: impl Fn(&Component) -> bool) -> Report {
        let asked: Vec<Component> = {
            let all = self.0.components.read().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .filter(|component| wanted(component))
                .cloned()
                .collect()
        };
        let answers = join_all(asked.into_iter().map(|component| async move {
            let answer = tokio::time::timeout(PATIENCE, (component.check)()).await;
            (
                component.name,
                answer.unwrap_or_else(|_| Err("no answer in time".to_owned())),
            )
        }));
        let components = answers.await;
        let up = components.iter().all(|(_, answer)| answer.is_ok());
        Report {
            up,
            status: if up { "UP" } else { "DOWN" },
            components,
        }
    }
}

impl Report {
    /// Actuator's document; details only for those who may see them.
    pub(super) fn json(&self, details: bool) -> Value {
        let mut document = Map::new();
        document.insert("status".to_owned(), json!(self.status));
        let mut components = Map::new();
        components.insert("ping".to_owned(), json!({ "status": "UP" }));
        for (name, answer) in &self.components {
            let mut component = json!({ "status": if answer.is_ok() { "UP" } else { "DOWN" } });
            if details {
                component["details"] = match answer {
                    Ok(details) => details.clone(),
                    Err(error) => json!({ "error": error }),
                };
            }
            components.insert((*name).to_owned(), component);
        }
        document.insert("components".to_owned(), Value::Object(components));
        Value::Object(document)
    }
}
