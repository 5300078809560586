//! Filling the pages from the registry.

use std::collections::BTreeMap;

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    AppView, EntryList, EntryView, FOLDED, Fact, JournalPage, MOST_APPS, MOST_DEPARTURES, MOST_ROWS,
    OverviewPage, PeerView, Pill, Row, State, Tile, span, verdict,
};
use crate::AppState;
use crate::domain::lease::Lease;
use crate::domain::names::AppName;
use crate::domain::registry::{Entry, Instances, Registry};
use crate::domain::status::Status;
use crate::health::{self, Overview, processors, resident_megabytes, total_megabytes};

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
            verdict: verdict::of(registry, &numbers, &state.peers.unavailable(), now),
            tiles: tiles(&numbers),
            apps,
            hidden_apps,
            departures: departures.map(|entry| EntryView::new(entry, now)).collect(),
            peers: peers(state),
            facts: facts(state, registry, &numbers),
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
            name: "renewals in the last minute, of those expected",
            value: format!("{} / {}", numbers.renewals, numbers.expected),
        },
        Tile {
            name: "silent, still listed",
            value: numbers.silent.to_string(),
        },
    ]
}

/// Those in trouble first, and never hidden.
fn apps(registry: &Registry, now: DateTime<Utc>) -> (Vec<AppView>, usize) {
    let lost = health::lost(registry, now);
    let lost = lost.into_iter().map(|entry| gone(entry, now));
    let present = registry
        .apps()
        .iter()
        .map(|(name, instances)| app(name, instances, now));
    let mut apps: Vec<AppView> = lost.chain(present).collect();
    apps.sort_by_key(|app| app.state);
    let troubled = apps.iter().filter(|app| app.state != State::Good).count();
    let shown = apps.len().min(MOST_APPS.max(troubled));
    let hidden = apps.len() - shown;
    apps.truncate(shown);
    (apps, hidden)
}

fn app(name: &AppName, instances: &Instances, now: DateTime<Utc>) -> AppView {
    let mut leases: Vec<&Lease> = instances.values().collect();
    leases.sort_by_key(|lease| State::of_lease(lease, now));
    let state = leases
        .first()
        .map_or(State::Good, |lease| State::of_lease(lease, now));
    let counts = Status::ALL.into_iter().rev().filter_map(|status| {
        let count = leases.iter().filter(|lease| lease.status() == status).count();
        pill(State::of(status), status.as_str(), count)
    });
    let silent = leases.iter().filter(|lease| lease.is_overdue(now)).count();
    AppView {
        name: name.to_string(),
        zones: zones(&leases),
        note: None,
        counts: counts.chain(pill(State::Warn, "SILENT", silent)).collect(),
        is_open: state != State::Good || leases.len() <= FOLDED,
        state,
        hidden: leases.len().saturating_sub(MOST_ROWS),
        rows: leases
            .iter()
            .take(MOST_ROWS)
            .map(|lease| Row::new(lease, now))
            .collect(),
    }
}

fn pill(state: State, what: &str, count: usize) -> Option<Pill> {
    (count > 0).then(|| Pill {
        class: state.class(),
        text: format!("{what} {count}"),
    })
}

/// An application that has lost its last instance: it does not just vanish.
fn gone(last: &Entry, now: DateTime<Utc>) -> AppView {
    let when = span(now - last.at);
    AppView {
        name: last.app.clone(),
        counts: vec![Pill {
            class: State::Bad.class(),
            text: "GONE".to_owned(),
        }],
        zones: Vec::new(),
        note: Some(format!(
            "{} at {}, {when} ago {}.",
            last.id, last.address, last.event
        )),
        rows: Vec::new(),
        hidden: 0,
        is_open: true,
        state: State::Bad,
    }
}

/// `a (2)`: how many instances stand in each zone, as far as they say.
fn zones(leases: &[&Lease]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for zone in leases.iter().filter_map(|lease| lease.instance.zone()) {
        *counts.entry(zone).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(zone, count)| format!("{zone} ({count})"))
        .collect()
}

fn facts(state: &AppState, registry: &Registry, numbers: &Overview) -> Vec<Fact> {
    let megabytes = |amount: Option<u64>| amount.map_or_else(|| "?".to_owned(), |mb| format!("{mb} MB"));
    let preserving: Vec<&str> = registry.preserving().map(AppName::as_str).collect();
    let expiration = if preserving.is_empty() {
        "enabled".to_owned()
    } else {
        format!("put off for {}", preserving.join(", "))
    };
    let facts = [
        ("Environment", state.settings.environment.clone()),
        ("Data centre", state.settings.data_center.clone()),
        ("Lease expiration", expiration),
        ("Renewals in the last minute", numbers.renewals.to_string()),
        ("Threshold of renewals", numbers.threshold.to_string()),
        ("Processors", processors().to_string()),
        ("Memory of the machine", megabytes(total_megabytes())),
        ("Memory of this process", megabytes(resident_megabytes())),
    ];
    facts.map(|(name, value)| Fact { name, value }).into()
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
