//! What happens by itself: leases end, the snapshot is written, gauges follow.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::background::Background;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::domain::lease::Lease;
use crate::domain::names::AppName;
use crate::domain::registry::Registry;
use crate::domain::status::Status;
use crate::store::snapshot;

const SWEEP: Duration = Duration::from_secs(1);

/// A snapshot is written anew after this time even if nothing changed: its age says how long nobody wrote.
const STALE: Duration = Duration::from_mins(1);

/// Begin all of it.
pub(crate) fn start(board: &Arc<Board>, snapshot: Option<PathBuf>, background: &Background) {
    describe_metrics();
    let sweeping = Arc::clone(board);
    background.spawn("registry-sweep", |stop| sweep(sweeping, stop));
    if let Some(file) = snapshot {
        let keeping = Arc::clone(board);
        background.spawn("registry-snapshot", |stop| keep(keeping, file, stop));
    }
}

fn describe_metrics() {
    describe_counter!(
        "eureka_server_evictions_total",
        "Instances dropped because their lease had ended"
    );
    describe_counter!(
        "eureka_server_refusals_total",
        "Registrations and changes that were refused"
    );
    describe_counter!(
        "eureka_server_replication_dropped_total",
        "Changes that a peer was too slow to take"
    );
    describe_gauge!(
        "eureka_server_instances",
        "Registered instances, by application and status"
    );
}

async fn sweep(board: Arc<Board>, stop: CancellationToken) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = Counts::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for gone in board.write(Registry::sweep) {
            counter!("eureka_server_evictions_total").increment(1);
            tracing::info!(target: "audit", app = %gone.app, instance = %gone.id, event = %gone.event, "registry");
        }
        shown = measure(&board, shown);
    }
}

type Counts = BTreeMap<(AppName, Status), u32>;

/// Set the gauges; what has vanished since `before` goes to zero, so that no dashboard keeps showing it.
fn measure(board: &Board, before: Counts) -> Counts {
    let counts = board.read(|registry| {
        let mut counts = Counts::new();
        for lease in registry.leases() {
            *counts
                .entry((lease.instance.app.clone(), lease.status()))
                .or_default() += 1;
        }
        counts
    });
    let vanished = before
        .into_keys()
        .filter(|key| !counts.contains_key(key))
        .map(|key| (key, 0));
    let present = counts.iter().map(|(key, count)| (key.clone(), *count));
    for ((app, status), count) in vanished.chain(present) {
        let labels = [
            ("application", app.to_string()),
            ("status", status.as_str().to_owned()),
        ];
        gauge!("eureka_server_instances", &labels).set(count);
    }
    counts
}

async fn keep(board: Arc<Board>, file: PathBuf, stop: CancellationToken) {
    let mut changes = board.subscribe();
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            _ = changes.changed() => false,
            () = tokio::time::sleep(STALE) => false,
        };
        changes.mark_unchanged();
        let begun = Instant::now();
        save(&board, &file).await;
        if is_last {
            return;
        }
        // A large registry in turmoil must not keep the disk busy all the time.
        let rest = SWEEP.max(begun.elapsed() * 20);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}

async fn save(board: &Arc<Board>, file: &std::path::Path) {
    let (board, file) = (Arc::clone(board), file.to_owned());
    let saved = tokio::task::spawn_blocking(move || {
        let leases: Vec<Lease> = board.read(|registry| registry.leases().cloned().collect());
        snapshot::save(&file, &leases, board.now())
    });
    if let Ok(Err(error)) = saved.await {
        tracing::error!(%error, "snapshot cannot be written");
    }
}
