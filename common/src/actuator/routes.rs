//! What the endpoints answer.

pub(super) mod health;
pub(super) mod loggers;
pub(super) mod metrics;
pub(super) mod settings;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Actuator, Operator, exchanges as last};

/// What a document may be called; the first is preferred.
const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.spring-boot.actuator.v3+json",
    "application/vnd.spring-boot.actuator.v2+json",
    "application/json",
];

/// A document of Actuator's, in the media type that the client asked for.
pub(super) struct Document(StatusCode, Value);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let media_type = HeaderValue::from_static(MEDIA_TYPES[0]);
        (self.0, [(header::CONTENT_TYPE, media_type)], self.1.to_string()).into_response()
    }
}

pub(super) fn ok(value: Value) -> Document {
    Document(StatusCode::OK, value)
}

/// Call a document what the client asked for. Who asks for something else gets the usual: a probe must not fail for
/// a header.
pub(super) async fn negotiate(request: Request, next: Next) -> Response {
    let wanted = wanted(request.headers());
    let mut response = next.run(request).await;
    let kind = response.headers_mut().get_mut(header::CONTENT_TYPE);
    if let Some(kind) = kind.filter(|kind| *kind == MEDIA_TYPES[0]) {
        *kind = HeaderValue::from_static(wanted);
    }
    response
}

/// The first of the known types that `Accept` names, by the order of their weights.
fn wanted(headers: &HeaderMap) -> &'static str {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut ranges: Vec<(&str, f32)> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(weighed)
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    ranges.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranges
        .iter()
        .find_map(|(range, _)| match *range {
            "*/*" | "application/*" => Some(MEDIA_TYPES[0]),
            other => MEDIA_TYPES
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(other)),
        })
        .unwrap_or(MEDIA_TYPES[0])
}

fn weighed(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

pub(super) async fn index(_: Operator, headers: HeaderMap) -> Document {
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
        document["git"] =
            json!({ "branch": build.branch, "commit": { "id": commit, "time": build.commit_time } });
    }
    ok(document)
}

pub(super) async fn mappings(_: Operator, State(actuator): State<Actuator>) -> Document {
    let known = actuator.0.mappings.get();
    let mappings: Vec<Value> = known
        .into_iter()
        .flatten()
        .map(|(path, methods)| {
            json!({
                "handler": format!("{} {path}", actuator.0.name),
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
