use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::health::Report;
use super::{Actuator, Operator, exchanges as last};
use crate::config::flatten;
use crate::extract::{Json, Path};
use crate::problem::Problem;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.spring-boot.actuator.v3+json");

/// A document of Actuator's, in the media type that the client asked for.
pub(super) struct Document(StatusCode, Value);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, MEDIA_TYPE)], self.1.to_string()).into_response()
    }
}

fn ok(value: Value) -> Document {
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
        "env",
        "httpexchanges",
        "loggers",
        "refresh",
    ];
    let mut links = Map::new();
    links.insert("self".to_owned(), json!({ "href": base, "templated": false }));
    for name in plain {
        links.insert(
            name.to_owned(),
            json!({ "href": format!("{base}/{name}"), "templated": false }),
        );
    }
    links.insert(
        "health-path".to_owned(),
        json!({ "href": format!("{base}/health/{{*path}}"), "templated": true }),
    );
    links.insert(
        "loggers-name".to_owned(),
        json!({ "href": format!("{base}/loggers/{{name}}"), "templated": true }),
    );
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
    ok(json!({
        "build": { "name": actuator.0.name, "group": "healthcare", "version": env!("CARGO_PKG_VERSION") },
        "time": actuator.0.clock.now(),
    }))
}

pub(super) async fn prometheus(_: Operator, State(actuator): State<Actuator>) -> Response {
    let media_type = HeaderValue::from_static("text/plain;version=0.0.4;charset=utf-8");
    ([(header::CONTENT_TYPE, media_type)], actuator.0.metrics.render()).into_response()
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

/// Read the settings again; the answer names the keys that changed. Bad settings are refused and the old stay.
pub(super) async fn refresh(_: Operator, State(actuator): State<Actuator>) -> Result<Document, Problem> {
    match (actuator.0.settings.refresh)().await {
        Ok(changed) => Ok(ok(json!(changed))),
        Err(error) => {
            tracing::warn!(%error, "refresh refused; the old settings stay");
            Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "settings-refused",
                "The new settings are refused",
            )
            .detail("The old settings stay in force; the log says what is wrong."))
        }
    }
}
