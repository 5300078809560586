//! The settings: which there are and where they come from, never what they are.

use std::collections::BTreeMap;

use axum::extract::State;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Document, ok};
use crate::actuator::{Actuator, Operator};
use crate::config::flatten;
use crate::extract::{Path, Query};
use crate::problem::Problem;

/// Memory that an expression of a client's may take, in bytes.
const EXPRESSION_LIMIT: usize = 64 * 1024;

/// `?pattern=` is a regular expression, found anywhere in a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::actuator) struct Filter {
    #[serde(default)]
    pattern: String,
}

/// Where each setting comes from; every value is masked.
pub(in crate::actuator) async fn env(
    _: Operator,
    State(actuator): State<Actuator>,
    Query(filter): Query<Filter>,
) -> Result<Document, Problem> {
    let pattern = RegexBuilder::new(&filter.pattern)
        .case_insensitive(true)
        .size_limit(EXPRESSION_LIMIT)
        .build()
        .map_err(|_| Problem::bad_request("pattern is a regular expression"))?;
    let layers = (actuator.0.settings.layers)();
    let sources: Vec<Value> = layers
        .iter()
        .rev()
        .map(|layer| {
            let masked = flatten(&layer.values)
                .into_keys()
                .filter(|key| pattern.is_match(key))
                .map(|key| (key, json!({ "value": "******" })));
            json!({ "name": layer.name, "properties": masked.collect::<Map<_, _>>() })
        })
        .collect();
    Ok(ok(
        json!({ "activeProfiles": [], "defaultProfiles": ["default"], "propertySources": sources }),
    ))
}

/// Which sources know one setting; its value is masked.
pub(in crate::actuator) async fn env_key(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(key): Path<String>,
) -> Result<Document, Problem> {
    let masked = json!({ "value": "******" });
    let layers = (actuator.0.settings.layers)();
    let mut strongest = None;
    let sources: Vec<Value> = layers
        .iter()
        .rev()
        .map(|layer| {
            if !flatten(&layer.values).contains_key(&key) {
                return json!({ "name": layer.name });
            }
            strongest.get_or_insert(layer.name.as_str());
            json!({ "name": layer.name, "property": masked })
        })
        .collect();
    let source = strongest.ok_or_else(Problem::not_found)?;
    Ok(ok(json!({
        "property": { "source": source, "value": "******" },
        "activeProfiles": [],
        "defaultProfiles": ["default"],
        "propertySources": sources,
    })))
}

/// The settings by section; every value is masked.
pub(in crate::actuator) async fn configprops(_: Operator, State(actuator): State<Actuator>) -> Document {
    let layers = (actuator.0.settings.layers)();
    let mut beans: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for key in layers.iter().flat_map(|layer| flatten(&layer.values).into_keys()) {
        let (section, name) = key.split_once('.').unwrap_or((key.as_str(), ""));
        beans
            .entry(section.to_owned())
            .or_default()
            .insert(name.to_owned(), json!("******"));
    }
    let beans: Map<String, Value> = beans
        .into_iter()
        .map(|(section, properties)| {
            (
                section.clone(),
                json!({ "prefix": section, "properties": properties, "inputs": {} }),
            )
        })
        .collect();
    ok(json!({ "contexts": { actuator.0.name: { "beans": beans } } }))
}
