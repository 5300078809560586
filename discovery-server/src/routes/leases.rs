//! Registering, renewing and leaving. The exact statuses matter: clients compare them with one number each.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::extract::Path;
use common::problem::Problem;
use http::{HeaderMap, StatusCode, Uri};
use url::form_urlencoded;

use super::caller::{Body, Writer, sent_format};
use super::replication;
use crate::AppState;
use crate::domain::actor::{Actor, Power};
use crate::domain::draft::Draft;
use crate::domain::instance::Instance;
use crate::domain::names::{AppName, InstanceId};
use crate::domain::registry::Registered;
use crate::error::Error;
use crate::peers::Change;
use crate::wire::batch::Ages;
use crate::{audit, wire};

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
    path: Result<Path<(String, String)>, Problem>,
    uri: Uri,
) -> Response {
    let renewed = writer.and_then(|Writer(actor)| {
        let Path((app, id)) = path.map_err(|_| Error::NotFound)?;
        let key = (AppName::parse(&app)?, InstanceId::parse(&id)?);
        prolong(&state, &actor, key, last_dirty(&uri))
    });
    renewed.map_or_else(Error::quiet, |()| StatusCode::OK.into_response())
}

pub(super) async fn cancel(
    State(state): State<AppState>,
    Writer(actor): Writer,
    Path((app, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let key = (AppName::parse(&app)?, InstanceId::parse(&id)?);
    leave(&state, &actor, key, Ages::default())?;
    Ok(StatusCode::OK)
}

/// The only parameter that counts. What cannot be read says nothing: a heartbeat is not lost over it.
fn last_dirty(uri: &Uri) -> Option<i64> {
    let mut parameters = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let (_, text) = parameters.find(|(name, _)| name == "lastDirtyTimestamp")?;
    text.parse().ok()
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
        audit::refused(actor, Some(&app), "registration");
        return Err(Error::NotYours);
    }
    let format = sent_format(headers);
    let draft = wire::read_instance(format, &body.0).map_err(|_| Error::Unreadable(format))?;
    if actor.power == Power::Replication {
        replication::enter(state, actor, &app, (draft, Ages::default()))?;
    } else {
        audit::tried(enter(state, actor, &app, draft), actor, &app, "registration")?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Take in what an instance says of itself.
fn enter(state: &AppState, actor: &Actor, app: &AppName, draft: Draft) -> Result<(), Error> {
    if !state.budget.take(&actor.name, state.board.now()) {
        return Err(Error::TooFast);
    }
    let instance = checked(state, actor, app, draft)?;
    if state.settings.addresses.must_equal_peer && actor.from.is_some_and(|from| from != instance.ip_addr) {
        return Err(Error::OtherAddress);
    }
    let id = instance.id.clone();
    let entered = state
        .board
        .write(|registry, now| registry.register(instance, actor, now))?;
    if entered == Registered::Changed {
        audit::done(actor, app, &id, "registered");
    }
    state.tell(actor, &Change::Registered(app.clone(), id));
    Ok(())
}

/// What `draft` describes, if others may read it.
pub(super) fn checked(
    state: &AppState,
    actor: &Actor,
    app: &AppName,
    draft: Draft,
) -> Result<Instance, Error> {
    let checked = draft.check(app, &state.rules, state.board.now().timestamp_millis());
    Ok(checked.inspect_err(|why| audit::invalid(actor, app, why))?)
}

/// Renew, on behalf of an instance or of a peer.
pub(super) fn prolong(
    state: &AppState,
    actor: &Actor,
    (app, id): (AppName, InstanceId),
    last_dirty: Option<i64>,
) -> Result<(), Error> {
    let renewed = state
        .board
        .write(|registry, now| registry.renew((&app, &id), last_dirty, actor, now));
    audit::tried(renewed, actor, &app, "renewal")?;
    state.tell(actor, &Change::Renewed(app, id));
    Ok(())
}

/// Leave, on behalf of an instance or of a peer.
pub(super) fn leave(
    state: &AppState,
    actor: &Actor,
    (app, id): (AppName, InstanceId),
    ages: Ages,
) -> Result<(), Error> {
    let left = state
        .board
        .write(|registry, now| registry.cancel((&app, &id), ages.before(now).heard_at, actor, now));
    audit::tried(left, actor, &app, "cancellation")?;
    audit::done(actor, &app, &id, "left");
    state.tell(actor, &Change::Left(app, id));
    Ok(())
}
