//! The pages that people look at: what is well, what is not, and who left and why.

mod pages;
mod verdict;

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lease::Lease;
use crate::domain::registry::{Entry, Event};
use crate::domain::status::Status;

pub(crate) use pages::{journal, overview};

/// Rows beyond this say nothing that a person could still take in.
const MOST_APPS: usize = 200;
const MOST_ROWS: usize = 100;
const MOST_DEPARTURES: usize = 15;

/// Applications of more instances than this are shown folded, if they are well.
const FOLDED: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    address: String,
    uptime: String,
    now: String,
    verdict: Verdict,
    tiles: Vec<Tile>,
    apps: Vec<AppView>,
    hidden_apps: usize,
    departures: Vec<EntryView>,
    peers: Vec<PeerView>,
    facts: Vec<Fact>,
}

#[derive(Template)]
#[template(path = "journal.html")]
struct JournalPage {
    now: String,
    lists: [EntryList; 2],
}

struct EntryList {
    title: &'static str,
    departures: Vec<EntryView>,
}

struct Verdict {
    level: &'static str,
    title: String,
    reasons: Vec<String>,
}

struct Tile {
    name: &'static str,
    value: String,
}

/// What the server says of itself.
struct Fact {
    name: &'static str,
    value: String,
}

struct AppView {
    name: String,
    counts: Vec<Pill>,
    zones: Vec<String>,
    /// Why there are no rows.
    note: Option<String>,
    rows: Vec<Row>,
    hidden: usize,
    is_open: bool,
    /// The worst of its instances.
    state: State,
}

/// How well an instance or an application is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Bad,
    Warn,
    Calm,
    Good,
}

struct Pill {
    class: &'static str,
    text: String,
}

struct Row {
    class: &'static str,
    status: &'static str,
    is_overridden: bool,
    is_preserved: bool,
    is_overdue: bool,
    id: String,
    url: Option<String>,
    address: String,
    lease_s: u32,
    left_s: i64,
    low_s: u32,
    heard: String,
    age: String,
    owner: String,
}

struct EntryView {
    when: String,
    app: String,
    id: String,
    address: String,
    event: String,
    is_eviction: bool,
    by: String,
}

struct PeerView {
    class: &'static str,
    text: &'static str,
    name: String,
}

impl Row {
    fn new(lease: &Lease, now: DateTime<Utc>) -> Self {
        let instance = &lease.instance;
        let port = if instance.port.enabled {
            instance.port
        } else {
            instance.secure_port
        };
        let lease_s = instance.terms.duration_s;
        Self {
            class: State::of(lease.status()).class(),
            status: lease.status().as_str(),
            is_overridden: lease.override_status.is_some(),
            is_preserved: lease.is_preserved,
            is_overdue: lease.is_overdue(now),
            id: instance.id.to_string(),
            url: instance.links.status_page_url.clone(),
            address: std::net::SocketAddr::new(instance.ip_addr, port.number).to_string(),
            lease_s,
            left_s: (lease.ends_at() - now).num_seconds().clamp(0, lease_s.into()),
            low_s: lease_s / 3,
            heard: span(now - lease.renewed_at),
            age: span(now - lease.registered_at),
            owner: lease.owner.to_string(),
        }
    }
}

impl EntryView {
    fn new(entry: &Entry, now: DateTime<Utc>) -> Self {
        Self {
            when: format!("{} ago", span(now - entry.at)),
            app: entry.app.clone(),
            id: entry.id.clone(),
            address: entry.address.clone(),
            event: entry.event.to_string(),
            is_eviction: matches!(entry.event, Event::Evicted { .. }),
            by: entry.by.clone(),
        }
    }
}

impl State {
    fn of(status: Status) -> Self {
        match status {
            Status::Up => Self::Good,
            Status::Down => Self::Bad,
            Status::Starting | Status::Unknown => Self::Warn,
            Status::OutOfService => Self::Calm,
        }
    }

    fn of_lease(lease: &Lease, now: DateTime<Utc>) -> Self {
        let state = Self::of(lease.status());
        if lease.is_overdue(now) {
            state.min(Self::Warn)
        } else {
            state
        }
    }

    /// Of the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Calm => "calm",
            Self::Good => "good",
        }
    }
}

/// `7 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
fn span(delta: TimeDelta) -> String {
    match delta.num_seconds().max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_units_that_people_use() {
        let told = |seconds| span(TimeDelta::seconds(seconds));
        assert_eq!([told(-5), told(59), told(61)], ["0 s", "59 s", "1 min"]);
        assert_eq!([told(3 * 3600 + 300), told(90_000)], ["3 h 5 min", "1 d 1 h"]);
    }
}
