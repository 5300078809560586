//! The gateway as a whole: its parts put together, its run, its orderly end.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use common::actuator::health::Weight;
use common::config::Live;
use common::core::Core;
use common::server;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::access_log::Sink;
use crate::config::Config;
use crate::edge::workers::{self, Plan};
use crate::edge::{listener, tls};
use crate::gate::Gate;
use crate::limits::caps::Caps;
use crate::proxy::directory::Directory;
use crate::routes::Pages;
use crate::rules::Rules;
use crate::tokens::Tokens;

const SWEEP: Duration = Duration::from_secs(1);

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    plan: Plan,
    notice: Duration,
    drain: Duration,
    threads: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Bind, and begin to serve.
    ///
    /// # Errors
    /// The settings make no sense, or the address cannot be had.
    pub fn start(core: &Core, live: &Arc<Live<Config>>, sink: Sink) -> anyhow::Result<Self> {
        let config = live.current();
        let directory = Arc::new(Directory::default());
        let rules = Rules::compile(&config, &directory, None)?;
        directory.update(&core.discovery.view());
        let pages = Pages::new(&core.actuator, &rules);
        let tokens = Tokens::new(core.verifier.clone(), config.gateway.tokens.cache_entries);
        let gate = Arc::new(Gate::new(rules, pages, tokens, core.clock.clone()));
        let tls = tls::acceptor(&config.gateway.tls)?;
        let plan = Plan::new(&config, Arc::clone(&gate), tls, (sink, core.settings.log.format));
        let listeners = bind(&core.settings.server, workers::count(config.gateway.workers))?;
        let address = listeners.first().context("no worker")?.local_addr()?;
        let threads = workers::start(&plan, listeners)?;
        watch_health(core, &directory);
        follow_registry(core, Arc::clone(&directory));
        follow_settings(core, live, (Arc::clone(&gate), directory));
        watch_numbers(core, gate, plan.caps.clone());
        let (notice, drain) = (config.gateway.drain_notice_s, core.settings.server.drain_s);
        Ok(Self {
            address,
            plan,
            notice: Duration::from_secs(notice),
            drain: Duration::from_secs(drain),
            threads,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serve until SIGTERM or SIGINT, then leave in order.
    ///
    /// # Errors
    /// Something had not ended in time.
    pub async fn run(self, core: Core) -> anyhow::Result<()> {
        tracing::info!(service = core.name, address = %self.address, workers = self.threads.len(), "listening");
        core.register(self.address);
        server::signal().await?;
        tracing::info!(service = core.name, "stopping");
        core.health.stopping();
        core.discovery.deregister().await;
        let hurry = CancellationToken::new();
        let (stopped, ()) = tokio::join!(self.stop(&hurry), async {
            tokio::select! {
                _ = server::signal() => hurry.cancel(),
                () = hurry.cancelled() => {}
            }
        });
        core.background.stop();
        let ended = tokio::time::timeout(Duration::from_secs(10), core.background.ended()).await;
        anyhow::ensure!(stopped && ended.is_ok(), "stopped before everything had ended");
        Ok(())
    }

    /// Answer what is under way, let clients go, end the workers. `false` if some had to be cut off.
    pub async fn stop(mut self, hurry: &CancellationToken) -> bool {
        let (plan, threads) = (self.plan.clone(), std::mem::take(&mut self.threads));
        plan.gate.drain();
        let _ = hurry.run_until_cancelled(tokio::time::sleep(self.notice)).await;
        plan.closing.cancel();
        plan.ending.gently.cancel();
        let mut ended =
            tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        let patience = tokio::time::sleep(self.drain);
        let gentle = tokio::select! {
            ended = &mut ended => Some(ended),
            () = patience => None,
            () = hurry.cancelled() => None,
        };
        hurry.cancel();
        if let Some(ended) = gentle {
            return ended.unwrap_or(false);
        }
        tracing::warn!(open = plan.caps.open(), "connections cut at the stop");
        plan.ending.now.cancel();
        let _ = ended.await;
        false
    }
}

fn bind(
    settings: &common::config::ServerSettings,
    workers: usize,
) -> anyhow::Result<Vec<std::net::TcpListener>> {
    let name = format!("{}:{}", settings.host, settings.port);
    let address = name.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.with_context(|| format!("`{name}` is no address to listen on"))?;
    listener::bind(address, workers).with_context(|| format!("cannot listen on {address}"))
}

/// Ready means: tokens can be checked, and every service has been seen. Once seen, a service that goes away
/// takes only its own paths with it, not the gateway.
fn watch_health(core: &Core, directory: &Arc<Directory>) {
    core.await_tokens();
    let (services, seen) = (Arc::clone(directory), Arc::new(AtomicBool::new(false)));
    core.health.add("services", Weight::Needed, move || {
        let missing = services.missing();
        let seen = seen.fetch_or(missing.is_empty(), Ordering::Relaxed) || missing.is_empty();
        async move {
            if seen {
                Ok(json!({ "missing": missing }))
            } else {
                Err(format!("not seen yet: {}", missing.join(", ")))
            }
        }
    });
}

fn follow_registry(core: &Core, directory: Arc<Directory>) {
    let mut views = core.discovery.subscribe();
    core.background.spawn("instances", |stop| async move {
        // What came between the first look and the subscription is seen too.
        views.mark_changed();
        while let Some(Ok(())) = stop.run_until_cancelled(views.changed()).await {
            let view = Arc::clone(&views.borrow_and_update());
            directory.update(&view);
        }
    });
}

/// Put new settings in force as they come; settings that make no sense were refused before they come here.
fn follow_settings(core: &Core, live: &Arc<Live<Config>>, (gate, directory): (Arc<Gate>, Arc<Directory>)) {
    let (actuator, discovery) = (core.actuator.clone(), core.discovery.clone());
    let mut changes = live.changes();
    core.background.spawn("rules", |stop| async move {
        while let Some(Some(config)) = stop.run_until_cancelled(changes.next()).await {
            match Rules::compile(&config, &directory, Some(&gate.rules.load())) {
                Ok(rules) => {
                    directory.update(&discovery.view());
                    gate.pages.store(Arc::new(Pages::new(&actuator, &rules)));
                    gate.rules.store(Arc::new(rules));
                    tracing::info!("new rules are in force");
                }
                Err(error) => tracing::error!(%error, "new rules are refused; the old ones stay"),
            }
        }
    });
}

/// Once in a while: let go of callers that need no counting any more, and tell how many there are of what.
fn watch_numbers(core: &Core, gate: Arc<Gate>, caps: Caps) {
    crate::meter::describe();
    let connections = metrics::gauge!("gateway_connections");
    let known_tokens = metrics::gauge!("gateway_known_tokens");
    core.background.spawn("limits", |stop| async move {
        let mut ticks = tokio::time::interval(SWEEP);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let rules = gate.rules.load_full();
            rules.sweep();
            for (name, class) in &rules.classes {
                metrics::gauge!("gateway_limited_callers", "class" => name.clone())
                    .set(as_f64(class.callers()));
            }
            connections.set(as_f64(caps.open()));
            known_tokens.set(as_f64(gate.tokens.known()));
        }
    });
}

/// Counts here stay far below what a float holds exactly.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Whoever gives it up without stopping it wants the port back.
        self.plan.closing.cancel();
        self.plan.ending.now.cancel();
    }
}
