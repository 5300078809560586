//! Health, for everybody; details for operators.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::Document;
use crate::actuator::health::{Group, Report, Status};
use crate::actuator::{Actuator, Operator};
use crate::extract::Path;
use crate::problem::Problem;

/// Seconds after which it may be worth to look again.
const RETRY_AFTER: u32 = 5;

/// Whether the caller may see details.
pub(in crate::actuator) struct Details(bool);

impl FromRequestParts<Actuator> for Details {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, actuator: &Actuator) -> Result<Self, Infallible> {
        let named = parts.headers.contains_key(header::AUTHORIZATION);
        Ok(Self(
            named && Operator::from_request_parts(parts, actuator).await.is_ok(),
        ))
    }
}

pub(in crate::actuator) async fn whole(State(actuator): State<Actuator>, details: Details) -> Response {
    let report = actuator.0.health.group(Group::Whole).await;
    let mut document = report.json(details.0);
    document["groups"] = json!(["liveness", "readiness"]);
    answer(&report, document)
}

/// A group or a component.
pub(in crate::actuator) async fn named(
    State(actuator): State<Actuator>,
    Path(name): Path<String>,
    details: Details,
) -> Result<Response, Problem> {
    match Group::named(&name) {
        Some(group) => Ok(group_answer(&actuator, group, &details).await),
        None => component(&actuator, Group::Whole, &name, &details).await,
    }
}

/// One component of a group.
pub(in crate::actuator) async fn in_group(
    State(actuator): State<Actuator>,
    Path((group, name)): Path<(String, String)>,
    details: Details,
) -> Result<Response, Problem> {
    let group = Group::named(&group).ok_or_else(Problem::not_found)?;
    component(&actuator, group, &name, &details).await
}

pub(in crate::actuator) async fn live(State(actuator): State<Actuator>, details: Details) -> Response {
    group_answer(&actuator, Group::Liveness, &details).await
}

pub(in crate::actuator) async fn ready(State(actuator): State<Actuator>, details: Details) -> Response {
    group_answer(&actuator, Group::Readiness, &details).await
}

async fn group_answer(actuator: &Actuator, group: Group, details: &Details) -> Response {
    let report = actuator.0.health.group(group).await;
    answer(&report, report.json(details.0))
}

async fn component(
    actuator: &Actuator,
    group: Group,
    name: &str,
    details: &Details,
) -> Result<Response, Problem> {
    let report = actuator.0.health.component(group, name).await;
    let report = report.ok_or_else(Problem::not_found)?;
    Ok(answer(&report, report.json_of_one(details.0)))
}

fn answer(report: &Report, document: Value) -> Response {
    if report.status == Status::Up {
        return Document(StatusCode::OK, document).into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))];
    (retry, Document(StatusCode::SERVICE_UNAVAILABLE, document)).into_response()
}
