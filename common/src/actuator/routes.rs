use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::health::Report;
use super::{Actuator, Operator, exchanges as last, meters};
use crate::config::flatten;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.spring-boot.actuator.v3+json");

/// A document of Actuator's, in the media type that the client asked for.
pub(super) struct Document(StatusCode, Value);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, MEDIA_TYPE)], self.1.to_string()).into_response()
    }
}

pub(super) fn ok(value: Value) -> Document {
    Document(StatusCode::OK, value)
}

fn health_document(report: &Report, details: bool) -> Document {
    let status = if report.up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Document(status, report.json(details))
}

pub(super) async fn index(headers: HeaderMap) -> Document {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost");
    let base = format!("http://{host}/actuator");
    let plain = [
        "health",
        "info",
        "prometheus",
        "metrics",
        "env",
        "configprops",
        "mappings",
        "scheduledtasks",
        "httpexchanges",
        "loggers",
        "refresh",
        "busrefresh",
    ];
    let templated = [
        ("health-path", "health/{*path}"),
        ("loggers-name", "loggers/{name}"),
        ("metrics-requiredMetricName", "metrics/{requiredMetricName}"),
        ("env-toMatch", "env/{toMatch}"),
        ("busrefresh-destination", "busrefresh/{destination}"),
    ];
    let mut links = Map::new();
    links.insert("self".to_owned(), json!({ "href": base, "templated": false }));
    for name in plain {
        links.insert(
            name.to_owned(),
            json!({ "href": format!("{base}/{name}"), "templated": false }),
        );
    }
    for (name, path) in templated {
        links.insert(
            name.to_owned(),
            json!({ "href": format!("{base}/{path}"), "templated": true }),
        );
    }
    ok(json!({ "_links": links }))
}

/// The whole health; details only for operators, but the statuses for everybody.
pub(super) async fn health(State(actuator): State<Actuator>, request: Request) -> Document {
    let details = is_operator(&actuator, request).await;
    let report = actuator.0.health.whole().await;
    let mut document = report.json(details);
    document["groups"] = json!(["liveness", "readiness"]);
    let status = if report.up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Document(status, document)
}

pub(super) async fn health_component(
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Document, Problem> {
    let details = is_operator(&actuator, request).await;
    match name.as_str() {
        "readiness" => Ok(health_document(&actuator.0.health.readiness().await, details)),
        // Liveness asks no dependency, or an outage of one would restart the whole fleet.
        "liveness" | "ping" => Ok(ok(json!({ "status": "UP" }))),
        other => {
            let report = actuator
                .0
                .health
                .component(other)
                .await
                .ok_or_else(Problem::not_found)?;
            Ok(health_document(&report, details))
        }
    }
}

/// The process answers.
pub(super) async fn live() -> Document {
    ok(json!({ "status": "UP" }))
}

pub(super) async fn ready(State(actuator): State<Actuator>) -> Document {
    health_document(&actuator.0.health.readiness().await, false)
}

async fn is_operator(actuator: &Actuator, request: Request) -> bool {
    let (mut parts, _) = request.into_parts();
    parts.headers.contains_key(header::AUTHORIZATION)
        && Operator::from_request_parts(&mut parts, actuator).await.is_ok()
}

pub(super) async fn info(State(actuator): State<Actuator>) -> Document {
    let build = &actuator.0.build;
    let mut document = json!({
        "build": {
            "group": "healthcare",
            "artifact": actuator.0.name,
            "name": actuator.0.name,
            "version": env!("CARGO_PKG_VERSION"),
        },
    });
    if let Some(time) = &build.time {
        document["build"]["time"] = json!(time);
    }
    if let Some(commit) = &build.commit {
        document["git"] = json!({ "branch": build.branch, "commit": { "id": commit, "time": build.time } });
    }
    ok(document)
}

/// `?includedNames=a,b` asks for some families only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Included {
    included_names: Option<String>,
}

pub(super) async fn prometheus(
    _: Operator,
    State(actuator): State<Actuator>,
    Query(query): Query<Included>,
    headers: HeaderMap,
) -> Response {
    let names = query.included_names.unwrap_or_default();
    let wanted: Vec<String> = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let families = actuator.families();
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (media_type, body) = if accept.contains("application/openmetrics-text") {
        (
            "application/openmetrics-text;version=1.0.0;charset=utf-8",
            meters::open_metrics(&families, &wanted),
        )
    } else {
        (
            "text/plain;version=0.0.4;charset=utf-8",
            meters::text(&families, &wanted),
        )
    };
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))],
        body,
    )
        .into_response()
}

pub(super) async fn metrics(_: Operator, State(actuator): State<Actuator>) -> Document {
    ok(json!({ "names": meters::names(&actuator.families()) }))
}

/// One metric; `?tag=key:value`, as often as wanted, narrows it down.
pub(super) async fn metric(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Document, Problem> {
    let query = query.unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let tag = |value: &str| {
        value
            .split_once(':')
            .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
    };
    let tags: Option<Vec<_>> = pairs
        .filter(|(key, _)| key == "tag")
        .map(|(_, value)| tag(&value))
        .collect();
    let tags = tags.ok_or_else(|| Problem::bad_request("a tag is `key:value`"))?;
    meters::one(&actuator.families(), &name, &tags)
        .map(ok)
        .ok_or_else(Problem::not_found)
}

/// Where each setting comes from; every value is masked.
pub(super) async fn env(_: Operator, State(actuator): State<Actuator>) -> Document {
    let layers = (actuator.0.settings.layers)();
    let sources: Vec<Value> = layers
        .iter()
        .rev()
        .map(|layer| {
            let masked = flatten(&layer.values)
                .into_keys()
                .map(|key| (key, json!({ "value": "******" })));
            json!({ "name": layer.name, "properties": masked.collect::<Map<_, _>>() })
        })
        .collect();
    ok(json!({ "activeProfiles": [], "defaultProfiles": ["default"], "propertySources": sources }))
}

/// Which sources know one setting; its value is masked.
pub(super) async fn env_key(
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
pub(super) async fn configprops(_: Operator, State(actuator): State<Actuator>) -> Document {
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

pub(super) async fn mappings(_: Operator, State(actuator): State<Actuator>) -> Document {
    let known = actuator.0.mappings.get();
    let mappings: Vec<Value> = known
        .into_iter()
        .flatten()
        .map(|(path, methods)| {
            json!({
                "handler": path,
                "predicate": format!("{{{} [{path}]}}", methods.join(" || ")),
                "details": { "requestMappingConditions": {
                    "consumes": [], "headers": [], "methods": methods, "params": [], "patterns": [path], "produces": [],
                } },
            })
        })
        .collect();
    ok(
        json!({ "contexts": { actuator.0.name: { "mappings": { "dispatcherHandlers": { "webHandler": mappings } } } } }),
    )
}

/// The loops that run in the background. They decide themselves when to run again: Actuator calls that custom.
pub(super) async fn scheduled(_: Operator, State(actuator): State<Actuator>) -> Document {
    let names = actuator.0.background.names();
    let loops: Vec<Value> = names
        .iter()
        .map(|name| json!({ "runnable": { "target": name }, "trigger": "background loop" }))
        .collect();
    ok(json!({ "cron": [], "fixedDelay": [], "fixedRate": [], "custom": loops }))
}

pub(super) async fn exchanges(_: Operator) -> Document {
    ok(json!({ "exchanges": last::last() }))
}

const LEVELS: [&str; 7] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

pub(super) async fn loggers(_: Operator, State(actuator): State<Actuator>) -> Document {
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
pub(super) async fn logger(
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
    let effective = parent(&name)
        .map(|(_, level)| level)
        .or_else(|| levels.get(crate::telemetry::ROOT));
    let mut document = json!({ "effectiveLevel": effective.map_or("OFF", String::as_str) });
    if let Some(own) = levels.get(&name) {
        document["configuredLevel"] = json!(own);
    }
    ok(document)
}

/// Body of `POST /actuator/loggers/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SetLevel {
    configured_level: Option<String>,
}

pub(super) async fn set_level(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
    Json(body): Json<SetLevel>,
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
