//! Filling the pages from the registry.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    AppView, EntryList, EntryView, FOLDED, JournalPage, MOST_APPS, MOST_DEPARTURES, MOST_ROWS, OverviewPage,
    PeerView, Pill, Row, Tile, Verdict, class,
};
use crate::AppState;
use crate::domain::lease::Lease;
use crate::domain::names::AppName;
use crate::domain::registry::{Instances, Registry};
use crate::domain::status::Status;
use crate::health::{Overview, resident_megabytes};

/// The page at `/`.
pub(crate) fn overview(state: &AppState) -> askama::Result<String> {
    let now = state.board.now();
    let page = state.board.read(|registry| {
        let numbers = Overview::of(registry, now);
        let (apps, hidden_apps) = apps(registry, now);
        let departures = registry.journal().departures().take(MOST_DEPARTURES);
        OverviewPage {
            address: state.address.clone(),
            uptime: state.uptime(),
            now: clock(now),
            verdict: verdict(registry, &numbers, &state.peers.unavailable()),
            tiles: tiles(&numbers),
            apps,
            hidden_apps,
            departures: departures.map(|entry| EntryView::new(entry, now)).collect(),
            peers: peers(state),
        }
    });
    page.render()
}

/// The page at `/lastn`.
pub(crate) fn journal(state: &AppState) -> askama::Result<String> {
    let now = state.board.now();
    let page = state.board.read(|registry| {
        let journal = registry.journal();
        let gone = journal
            .departures()
            .map(|entry| EntryView::new(entry, now))
            .collect();
        let come = journal
            .arrivals()
            .map(|entry| EntryView::new(entry, now))
            .collect();
        let lists = [
            EntryList {
                title: "Departures",
                departures: gone,
            },
            EntryList {
                title: "Arrivals",
                departures: come,
            },
        ];
        JournalPage {
            now: clock(now),
            lists,
        }
    });
    page.render()
}

fn clock(now: DateTime<Utc>) -> String {
    now.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The worst first: this is what a person sees from across the room.
fn verdict(registry: &Registry, numbers: &Overview, lost_peers: &[String]) -> Verdict {
    let is_lost = |instances: &Instances| !instances.values().any(|lease| lease.status() == Status::Up);
    let lost: Vec<String> = registry
        .apps()
        .iter()
        .filter(|(_, all)| is_lost(all))
        .map(|(name, _)| name.to_string())
        .collect();
    let preserving: Vec<String> = registry.preserving().map(AppName::to_string).collect();
    let mut reasons = Vec::new();
    if !lost.is_empty() {
        reasons.push(format!("Nobody is up of {}.", lost.join(", ")));
    }
    if !preserving.is_empty() {
        reasons.push(format!(
            "{} silent instances of {} are kept: too many fell silent at once for all of them to be dead. They are \
             dropped {} s after their leases ended.",
            numbers.preserved,
            preserving.join(", "),
            registry.preservation().longest.num_seconds()
        ));
    }
    if !lost_peers.is_empty() {
        reasons.push(format!("Out of step with {}.", lost_peers.join(", ")));
    }
    let (level, title) = match (lost.is_empty(), reasons.is_empty()) {
        (false, _) => (
            "bad",
            format!("{} without a working instance", plural(lost.len(), "application")),
        ),
        (true, false) => ("warn", "Something is wrong".to_owned()),
        (true, true) if numbers.instances == 0 => ("good", "Empty".to_owned()),
        (true, true) => (
            "good",
            format!("All well: {} of {} instances up", numbers.up, numbers.instances),
        ),
    };
    Verdict {
        level,
        title,
        reasons,
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn tiles(numbers: &Overview) -> Vec<Tile> {
    vec![
        Tile {
            name: "applications",
            value: numbers.apps.to_string(),
        },
        Tile {
            name: "instances up",
            value: format!("{} / {}", numbers.up, numbers.instances),
        },
        Tile {
            name: "renewals in the last minute",
            value: format!("{} / {}", numbers.renewals, numbers.expected),
        },
        Tile {
            name: "silent, preserved",
            value: numbers.preserved.to_string(),
        },
        Tile {
            name: "memory",
            value: resident_megabytes().map_or_else(|| "?".to_owned(), |mb| format!("{mb} MB")),
        },
    ]
}

/// Those in trouble first, and never hidden.
fn apps(registry: &Registry, now: DateTime<Utc>) -> (Vec<AppView>, usize) {
    let mut apps: Vec<AppView> = registry
        .apps()
        .iter()
        .map(|(name, instances)| app(name, instances, now))
        .collect();
    apps.sort_by_key(|app| app.is_well);
    let troubled = apps.iter().filter(|app| !app.is_well).count();
    let shown = apps.len().min(MOST_APPS.max(troubled));
    let hidden = apps.len() - shown;
    apps.truncate(shown);
    (apps, hidden)
}

fn app(name: &AppName, instances: &Instances, now: DateTime<Utc>) -> AppView {
    let mut leases: Vec<&Lease> = instances.values().collect();
    leases.sort_by_key(|lease| (lease.status() == Status::Up, !lease.is_preserved));
    let is_well = leases
        .iter()
        .all(|lease| lease.status() == Status::Up && !lease.is_preserved);
    let counts = Status::ALL.into_iter().rev().filter_map(|status| {
        let count = leases.iter().filter(|lease| lease.status() == status).count();
        (count > 0).then(|| Pill {
            class: class(status),
            text: format!("{} {count}", status.as_str()),
        })
    });
    AppView {
        name: name.to_string(),
        counts: counts.collect(),
        is_open: !is_well || leases.len() <= FOLDED,
        is_well,
        hidden: leases.len().saturating_sub(MOST_ROWS),
        rows: leases
            .iter()
            .take(MOST_ROWS)
            .map(|lease| Row::new(lease, now))
            .collect(),
    }
}

fn peers(state: &AppState) -> Vec<PeerView> {
    let lost = state.peers.unavailable();
    let view = |name: String| {
        let (class, text) = if lost.contains(&name) {
            ("bad", "away")
        } else {
            ("good", "in step")
        };
        PeerView { class, text, name }
    };
    state.peers.names().into_iter().map(view).collect()
}
