//! Registering, renewing and leaving. The exact statuses matter: clients compare them with one number each.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::extract::{Path, Query};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::caller::{Body, Writer, sent_format};
use crate::AppState;
use crate::domain::actor::{Actor, Power};
use crate::domain::draft::Draft;
use crate::domain::names::{AppName, InstanceId};
use crate::domain::registry::Registered;
use crate::domain::status::Status;
use crate::error::Error;
use crate::peers::Change;
use crate::{audit, wire};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewal {
    last_dirty_timestamp: Option<String>,
}

pub(super) async fn register(
    state: State<AppState>,
    writer: Writer,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Error> {
    accept(&state, &writer.0, &app, &headers, &body)
}

/// An application of this name is as good as any other.
pub(super) async fn register_delta(
    state: State<AppState>,
    writer: Writer,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Error> {
    accept(&state, &writer.0, "delta", &headers, &body)
}

pub(super) async fn renew(
    State(state): State<AppState>,
    writer: Result<Writer, Error>,
    Path((app, id)): Path<(String, String)>,
    Query(renewal): Query<Renewal>,
) -> Response {
    let renewed = writer.and_then(|Writer(actor)| {
        let key = (AppName::parse(&app)?, InstanceId::parse(&id)?);
        let last_dirty = renewal.last_dirty_timestamp.and_then(|text| text.parse().ok());
        prolong(&state, &actor, key, last_dirty)
    });
    renewed.map_or_else(Error::quiet, |()| StatusCode::OK.into_response())
}

pub(super) async fn cancel(
    State(state): State<AppState>,
    Writer(actor): Writer,
    Path((app, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    leave(&state, &actor, (AppName::parse(&app)?, InstanceId::parse(&id)?))?;
    Ok(StatusCode::OK)
}

fn accept(
    state: &AppState,
    actor: &Actor,
    app: &str,
    headers: &HeaderMap,
    body: &Body,
) -> Result<StatusCode, Error> {
    let app = AppName::parse(app).map_err(|_| Error::BadParameter("the path names no application"))?;
    if !actor.may_register(&app) {
        audit::refused(actor, &app, "registration");
        return Err(Error::NotYours);
    }
    let format = sent_format(headers);
    let draft = wire::read_instance(format, &body.0).map_err(|_| Error::Unreadable(format))?;
    enter(state, actor, &app, draft)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take in a registration, from an instance or from a peer.
pub(super) fn enter(state: &AppState, actor: &Actor, app: &AppName, draft: Draft) -> Result<(), Error> {
    let is_replica = actor.power == Power::Replication;
    if !is_replica && !state.budget.take(&actor.name, state.board.now()) {
        return Err(Error::TooFast);
    }
    let overridden = draft
        .overridden
        .as_deref()
        .and_then(Status::parse)
        .filter(|status| *status != Status::Unknown);
    let checked = draft.check(app, &state.rules, state.board.now().timestamp_millis());
    let instance = checked.inspect_err(|why| audit::invalid(actor, app, why))?;
    if !is_replica
        && state.settings.addresses.must_equal_peer
        && actor.from.is_some_and(|from| from != instance.ip_addr)
    {
        return Err(Error::OtherAddress);
    }
    let id = instance.id.clone();
    let entered = state.board.write(|registry, now| {
        let entered = registry.register(instance, actor, now)?;
        if let Some(status) = overridden.filter(|_| is_replica) {
            registry.set_override((app, &id), status, actor, now)?;
        }
        Ok::<_, Error>(entered)
    });
    match &entered {
        Ok(Registered::Changed) => audit::done(actor, app, &id, "registered"),
        Err(Error::NotYours) => audit::refused(actor, app, "registration"),
        Ok(Registered::Known) | Err(_) => {}
    }
    entered?;
    state.tell(actor, &Change::Registered(app.clone(), id));
    Ok(())
}

/// Renew, on behalf of an instance or of a peer.
pub(super) fn prolong(
    state: &AppState,
    actor: &Actor,
    (app, id): (AppName, InstanceId),
    last_dirty: Option<i64>,
) -> Result<(), Error> {
    state
        .board
        .write(|registry, now| registry.renew((&app, &id), last_dirty, actor, now))?;
    state.tell(actor, &Change::Renewed(app, id));
    Ok(())
}

/// Leave, on behalf of an instance or of a peer.
pub(super) fn leave(state: &AppState, actor: &Actor, (app, id): (AppName, InstanceId)) -> Result<(), Error> {
    let left = state
        .board
        .write(|registry, now| registry.cancel((&app, &id), actor, now))
        .map_err(Error::from);
    if let Err(Error::NotYours) = &left {
        audit::refused(actor, &app, "cancellation");
    }
    left?;
    audit::done(actor, &app, &id, "left");
    state.tell(actor, &Change::Left(app, id));
    Ok(())
}

/// What a peer's copy says, if it may stand here.
pub(crate) fn adopt(state: &AppState, actor: &Actor, draft: Draft) -> Result<(), Error> {
    let app = draft
        .app
        .as_deref()
        .and_then(|app| AppName::parse(app).ok())
        .ok_or(Error::NotFound)?;
    enter(state, actor, &app, draft)
}
