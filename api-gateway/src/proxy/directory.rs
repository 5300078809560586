//! The instances of each service as this gateway sees them: the registry's list plus its own experience.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use common::discovery::View;
use http::HeaderValue;

use crate::domain::balance::Dice;
use crate::domain::breaker::{Breaker, Outcome, Standing};
use crate::domain::budget::Budget;

/// Every service that a route leads to.
#[derive(Debug, Default)]
pub struct Directory {
    services: Mutex<HashMap<String, Arc<Service>>>,
}

/// One service.
#[derive(Debug, Default)]
pub struct Service {
    pub name: String,
    pub budget: Budget,
    instances: ArcSwap<Vec<Arc<Instance>>>,
}

/// One instance of a service.
#[derive(Debug)]
pub struct Instance {
    /// Unique in this process: connections are kept under it.
    pub serial: u64,
    pub address: SocketAddr,
    /// What `Host` says in requests to it.
    pub authority: HeaderValue,
    id: String,
    generation: i64,
    in_flight: AtomicUsize,
    breaker: Mutex<Breaker>,
    /// The breaker is not simply closed, so it is worth asking.
    in_doubt: AtomicBool,
}

/// What kind of instance is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Requests that an instance may have at once.
    pub max_in_flight: usize,
    /// The instance that has just failed; taken only if there is no other.
    pub not: Option<u64>,
    /// The request can be sent again if it fails.
    pub repeatable: bool,
}

/// Nobody can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nobody {
    #[error("no instance is registered")]
    Known,
    #[error("no instance has answered lately")]
    Answering,
    #[error("every instance has as many requests as it can take")]
    Free,
}

/// The right to send one request to an instance. Dropped without an outcome it says nothing about it.
#[derive(Debug)]
pub struct Ticket {
    pub instance: Arc<Instance>,
    told: bool,
}

impl Directory {
    /// The service `name`; unknown to the registry, it merely has no instances.
    pub fn service(&self, name: &str) -> Arc<Service> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(Service {
                name: name.to_owned(),
                ..Service::default()
            })
        };
        Arc::clone(services.entry(name.to_owned()).or_insert_with(fresh))
    }

    /// Take over what the registry says. What is known about instances that stay is kept.
    pub fn update(&self, view: &View) {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        for service in services.values() {
            service.update(view);
        }
    }

    /// Names of services without an instance that may be asked.
    pub fn missing(&self) -> Vec<String> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = services.values().filter(|service| !service.is_there());
        missing.map(|service| service.name.clone()).collect()
    }
}

impl Service {
    fn update(&self, view: &View) {
        let known = self.instances.load();
        // Plain text only: where TLS is said to be spoken, plain text would be a step down.
        let listed = view.up(&self.name).iter().filter(|listed| !listed.secure);
        let instances: Vec<_> = listed
            .map(|listed| {
                let same = known.iter().find(|known| {
                    known.id == listed.id
                        && known.address == listed.address
                        && known.generation == listed.generation
                });
                same.map_or_else(|| Arc::new(Instance::new(listed)), Arc::clone)
            })
            .collect();
        self.instances.store(Arc::new(instances));
    }

    fn is_there(&self) -> bool {
        self.instances
            .load()
            .iter()
            .any(|instance| instance.standing() != Standing::Away)
    }

    /// Choose an instance for one request.
    ///
    /// # Errors
    /// There is nobody to ask.
    pub fn choose(&self, dice: &Dice, wish: Wish) -> Result<Ticket, Nobody> {
        let instances = self.instances.load();
        if instances.is_empty() {
            return Err(Nobody::Known);
        }
        // A request that can be repeated elsewhere is the one to find out whether an instance is back.
        let order = if wish.repeatable {
            [Standing::Probe, Standing::Good, Standing::Doubtful]
        } else {
            [Standing::Good, Standing::Probe, Standing::Doubtful]
        };
        for wanted in order {
            let fits = |instance: &&Arc<Instance>| {
                Some(instance.serial) != wish.not
                    && instance.load() < wish.max_in_flight
                    && instance.standing() == wanted
            };
            // Looked through again rather than collected: there are few instances, and many requests.
            let fit = |index: usize| instances.iter().filter(fits).nth(index);
            let load = |index| fit(index).map_or(usize::MAX, |instance| instance.load());
            let chosen = dice.choose(instances.iter().filter(fits).count(), load);
            if let Some(ticket) = chosen.and_then(fit).and_then(Instance::admit) {
                return Ok(ticket);
            }
        }
        match wish.not {
            Some(_) => self.choose(dice, Wish { not: None, ..wish }),
            None if instances.iter().all(|i| i.standing() == Standing::Away) => Err(Nobody::Answering),
            None => Err(Nobody::Free),
        }
    }
}

impl Instance {
    fn new(listed: &common::discovery::Instance) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let address = listed.address;
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            address,
            // An address is always a good header value.
            authority: HeaderValue::from_str(&address.to_string())
                .unwrap_or(HeaderValue::from_static("upstream")),
            id: listed.id.clone(),
            generation: listed.generation,
            in_flight: AtomicUsize::new(0),
            breaker: Mutex::default(),
            in_doubt: AtomicBool::new(false),
        }
    }

    fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn standing(&self) -> Standing {
        if !self.in_doubt.load(Ordering::Relaxed) {
            return Standing::Good;
        }
        self.breaker().standing(Instant::now())
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let admitted = !self.in_doubt.load(Ordering::Relaxed) || self.breaker().admit(Instant::now());
        admitted.then(|| {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            Ticket {
                instance: Arc::clone(self),
                told: false,
            }
        })
    }
}

impl Ticket {
    /// Say how the call went.
    pub fn tell(&mut self, outcome: Outcome) {
        self.told = true;
        let now = Instant::now();
        let mut breaker = self.instance.breaker();
        let opened = breaker.record(outcome, now);
        let in_doubt = breaker.standing(now) != Standing::Good;
        self.instance.in_doubt.store(in_doubt, Ordering::Relaxed);
        drop(breaker);
        if opened {
            metrics::counter!("gateway_ejections_total", "outcome" => outcome.name()).increment(1);
            tracing::warn!(
                instance = self.instance.id,
                ?outcome,
                "instance is left alone for a while"
            );
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.instance.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.told {
            self.instance.breaker().forget_probe();
        }
    }
}

#[cfg(test)]
mod tests;
