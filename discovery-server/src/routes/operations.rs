//! An operator's word about an instance, and what is added to its description.

use axum::extract::State;
use common::extract::{Path, Query};
use http::StatusCode;
use serde::Deserialize;

use super::caller::Writer;
use crate::domain::actor::Actor;
use crate::domain::draft;
use crate::domain::names::{AppName, InstanceId};
use crate::domain::status::Status;
use crate::error::Error;
use crate::peers::Change;
use crate::{AppState, audit};

#[derive(Deserialize)]
pub(super) struct Value {
    value: Option<String>,
}

pub(super) async fn set_status(
    State(state): State<AppState>,
    Writer(actor): Writer,
    Path((app, id)): Path<(String, String)>,
    Query(Value { value }): Query<Value>,
) -> Result<StatusCode, Error> {
    let key = (AppName::parse(&app)?, InstanceId::parse(&id)?);
    let status = value
        .as_deref()
        .and_then(Status::parse)
        .ok_or(Error::BadParameter("value is no status"))?;
    override_status(&state, &actor, key, status)?;
    Ok(StatusCode::OK)
}

pub(super) async fn end_status(
    State(state): State<AppState>,
    Writer(actor): Writer,
    Path((app, id)): Path<(String, String)>,
    Query(Value { value }): Query<Value>,
) -> Result<StatusCode, Error> {
    let key = (AppName::parse(&app)?, InstanceId::parse(&id)?);
    let reported = match value {
        Some(text) => Some(Status::parse(&text).ok_or(Error::BadParameter("value is no status"))?),
        None => None,
    };
    end_override(&state, &actor, key, reported)?;
    Ok(StatusCode::OK)
}

pub(super) async fn add_metadata(
    State(state): State<AppState>,
    Writer(actor): Writer,
    Path((app, id)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<StatusCode, Error> {
    let (app, id) = (AppName::parse(&app)?, InstanceId::parse(&id)?);
    let added = state.board.write(|registry, now| {
        let known = registry
            .lease(&app, &id)
            .map(|lease| lease.instance.metadata.clone());
        let mut metadata = known.unwrap_or_default();
        metadata.extend(pairs);
        draft::check_metadata(&metadata, &state.rules)?;
        registry
            .set_metadata((&app, &id), metadata, &actor, now)
            .map_err(Error::from)
    });
    audit::tried(added, &actor, &app, "metadata")?;
    audit::done(&actor, &app, &id, "metadata");
    state.tell(&actor, &Change::Registered(app, id));
    Ok(StatusCode::OK)
}

/// There are no scaling groups outside of one cloud.
pub(super) async fn scaling_group(_: Writer, Path(_): Path<String>) -> Error {
    Error::BadParameter("this registry knows no auto scaling groups")
}

/// Set an override, for an operator or a peer.
pub(super) fn override_status(
    state: &AppState,
    actor: &Actor,
    (app, id): (AppName, InstanceId),
    status: Status,
) -> Result<(), Error> {
    let set = state
        .board
        .write(|registry, now| registry.set_override((&app, &id), status, actor, now));
    audit::tried(set, actor, &app, status.as_str())?;
    audit::done(actor, &app, &id, status.as_str());
    state.tell(actor, &Change::Overridden(app, id, status));
    Ok(())
}

/// End an override, for an operator or a peer.
pub(super) fn end_override(
    state: &AppState,
    actor: &Actor,
    (app, id): (AppName, InstanceId),
    reported: Option<Status>,
) -> Result<(), Error> {
    let ended = state
        .board
        .write(|registry, now| registry.end_override((&app, &id), reported, actor, now));
    audit::tried(ended, actor, &app, "end of an override")?;
    audit::done(actor, &app, &id, "override ended");
    state.tell(actor, &Change::OverrideEnded(app, id, reported));
    Ok(())
}
