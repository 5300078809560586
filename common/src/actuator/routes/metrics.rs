//! The metrics, for scrapers and for people.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use super::{Document, ok};
use crate::actuator::{Actuator, Operator, meters};
use crate::extract::Path;
use crate::problem::Problem;

/// `?includedNames=a,b`, also repeated, asks for some families only.
pub(in crate::actuator) async fn prometheus(
    _: Operator,
    State(actuator): State<Actuator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let wanted: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "includedNames")
        .flat_map(|(_, names)| names.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
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

pub(in crate::actuator) async fn names(_: Operator, State(actuator): State<Actuator>) -> Document {
    ok(json!({ "names": meters::names(&actuator.families()) }))
}

/// One metric; `?tag=key:value`, as often as wanted, narrows it down.
pub(in crate::actuator) async fn one(
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
