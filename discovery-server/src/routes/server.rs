//! What this server says of itself.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer;
use super::caller::Reader;
use crate::AppState;
use crate::domain::registry::Registry;
use crate::health::{Overview, processors, resident_megabytes, total_megabytes};
use crate::listing::Form;
use crate::wire::Format;
use crate::wire::xml::Writer;

/// A group of facts and its name.
type Group = (&'static str, BTreeMap<String, String>);

/// The three groups that the original tells, and its misspelt verdict.
pub(super) async fn status(State(state): State<AppState>, _: Reader, form: Form) -> Response {
    let overview = state
        .board
        .read(|registry| Overview::of(registry, state.board.now()));
    let is_healthy = overview.preserved == 0 && state.peers.unavailable().is_empty();
    let groups = groups(&state, &overview);
    let body = match form.format {
        Format::Json => {
            let mut document: Map<String, Value> = groups
                .into_iter()
                .map(|(name, group)| (name.to_owned(), json!(group)))
                .collect();
            document.insert("isHeathly".to_owned(), json!(is_healthy));
            Value::Object(document).to_string().into_bytes()
        }
        Format::Xml => {
            let mut out = Writer::default();
            out.open("status");
            for (name, group) in groups {
                out.pairs(name, &group);
            }
            out.leaf("isHeathly", if is_healthy { "true" } else { "false" });
            out.close("status");
            out.0.into_bytes()
        }
    };
    answer::fresh(form, body)
}

fn groups(state: &AppState, overview: &Overview) -> [Group; 3] {
    let megabytes = |amount: Option<u64>| amount.map_or_else(String::new, |mb| format!("{mb}mb"));
    let general = pairs([
        ("environment", state.settings.environment.clone()),
        ("num-of-cpus", processors().to_string()),
        ("total-avail-memory", megabytes(total_megabytes())),
        ("current-memory-usage", megabytes(resident_megabytes())),
        ("server-uptime", state.uptime()),
    ]);
    let application = pairs([
        ("registered-replicas", state.peers.names().join(",")),
        ("available-replicas", state.peers.available().join(",")),
        ("unavailable-replicas", state.peers.unavailable().join(",")),
        ("instances", overview.instances.to_string()),
        ("renews-last-minute", overview.renewals.to_string()),
        ("renews-threshold", overview.threshold.to_string()),
    ]);
    let instance = pairs([("ipAddr", state.ip_addr.to_string()), ("status", "UP".to_owned())]);
    [
        ("generalStats", general),
        ("applicationStats", application),
        ("instanceInfo", instance),
    ]
}

/// Which instances an operator speaks for.
pub(super) async fn overrides(State(state): State<AppState>, _: Reader) -> Response {
    let overrides = state.board.read(overridden);
    let form = Form::plain(Format::Json, crate::wire::Detail::Full);
    answer::fresh(form, json!(overrides).to_string().into_bytes())
}

fn overridden(registry: &Registry) -> BTreeMap<String, &'static str> {
    let spoken_for = registry.leases().filter_map(|lease| {
        lease
            .override_status
            .map(|status| (lease.instance.id.to_string(), status.as_str()))
    });
    spoken_for.collect()
}

fn pairs<const N: usize>(list: [(&str, String); N]) -> BTreeMap<String, String> {
    list.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
