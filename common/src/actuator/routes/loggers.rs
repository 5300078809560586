//! What is logged, and changing it while the process runs.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Document, ok};
use crate::actuator::{Actuator, Operator};
use crate::extract::{AnyJson, Path};
use crate::problem::Problem;
use crate::telemetry::{LEVELS, ROOT};

pub(in crate::actuator) async fn all(_: Operator, State(actuator): State<Actuator>) -> Document {
    let loggers: Map<String, Value> = actuator
        .0
        .log
        .levels()
        .into_iter()
        .map(|(name, level)| (name, json!({ "configuredLevel": level, "effectiveLevel": level })))
        .collect();
    ok(json!({ "levels": LEVELS, "loggers": loggers, "groups": {} }))
}

/// One logger: its own level, and the one in force from its nearest parent.
pub(in crate::actuator) async fn one(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
) -> Document {
    let levels = actuator.0.log.levels();
    let parent = |name: &str| {
        levels
            .iter()
            .filter(|(target, _)| name.starts_with(target.as_str()))
            .max_by_key(|(t, _)| t.len())
    };
    let effective = parent(&name).map(|(_, level)| level).or_else(|| levels.get(ROOT));
    let mut document = json!({ "effectiveLevel": effective.map_or("OFF", String::as_str) });
    if let Some(own) = levels.get(&name) {
        document["configuredLevel"] = json!(own);
    }
    ok(document)
}

/// Body of `POST /actuator/loggers/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::actuator) struct SetLevel {
    configured_level: Option<String>,
}

pub(in crate::actuator) async fn set_level(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
    // Spring's own clients name the version of the endpoints in the media type.
    AnyJson(body): AnyJson<SetLevel>,
) -> Result<StatusCode, Problem> {
    if let Some(level) = body.configured_level.as_deref()
        && !LEVELS.contains(&level)
    {
        return Err(Problem::bad_request(format!(
            "configuredLevel must be one of {}",
            LEVELS.join(", ")
        )));
    }
    let set = actuator.0.log.set_level(&name, body.configured_level.as_deref());
    set.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}
