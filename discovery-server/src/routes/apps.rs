//! Reading the registry.

use axum::extract::State;
use axum::response::Response;
use common::extract::Path;
use http::HeaderMap;

use super::answer;
use super::caller::Reader;
use crate::AppState;
use crate::domain::lease::{Lease, Shown};
use crate::domain::names::{AppName, InstanceId};
use crate::domain::status::hash_of;
use crate::error::Error;
use crate::listing::{Form, Scope};
use crate::wire::{self, Applications};

pub(super) async fn all(State(state): State<AppState>, _: Reader, form: Form, asked: HeaderMap) -> Response {
    answer::kept(form, state.board.body(Scope::All, form).await, &asked)
}

pub(super) async fn delta(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    asked: HeaderMap,
) -> Response {
    answer::kept(form, state.board.body(Scope::Delta, form).await, &asked)
}

pub(super) async fn application(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Path(app): Path<String>,
) -> Result<Response, Error> {
    let app = AppName::parse(&app)?;
    let instances = state.board.read(|registry| {
        registry
            .apps()
            .get(&app)
            .map(|instances| instances.values().map(Lease::shown).collect::<Vec<_>>())
    });
    let instances = instances.ok_or(Error::NotFound)?;
    Ok(answer::fresh(
        form,
        wire::application(form.format, form.detail, &app, &instances),
    ))
}

pub(super) async fn instance(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Path((app, id)): Path<(String, String)>,
) -> Result<Response, Error> {
    let (app, id) = (AppName::parse(&app)?, InstanceId::parse(&id)?);
    let shown = state
        .board
        .read(|registry| registry.lease(&app, &id).map(Lease::shown));
    one(form, shown)
}

pub(super) async fn instance_anywhere(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let id = InstanceId::parse(&id)?;
    let shown = state.board.read(|registry| {
        let mut found = registry
            .apps()
            .values()
            .filter_map(|instances| instances.get(&id));
        found.next().map(Lease::shown)
    });
    one(form, shown)
}

pub(super) async fn vip(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Path(vip): Path<String>,
) -> Response {
    by_vip(&state, form, &vip, false)
}

pub(super) async fn secure_vip(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Path(vip): Path<String>,
) -> Response {
    by_vip(&state, form, &vip, true)
}

fn one(form: Form, shown: Option<Shown>) -> Result<Response, Error> {
    let shown = shown.ok_or(Error::NotFound)?;
    Ok(answer::fresh(
        form,
        wire::instance(form.format, form.detail, &shown),
    ))
}

/// Nobody answers to a name that is not known: an empty list, not an error.
fn by_vip(state: &AppState, form: Form, vip: &str, secure: bool) -> Response {
    let apps: Vec<(AppName, Vec<Shown>)> = state.board.read(|registry| {
        let named = registry.apps().iter().map(|(name, instances)| {
            let answering = instances
                .values()
                .filter(|lease| lease.instance.answers_to(vip, secure));
            (name.clone(), answering.map(Lease::shown).collect::<Vec<_>>())
        });
        named.filter(|(_, instances)| !instances.is_empty()).collect()
    });
    let hash = hash_of(
        apps.iter()
            .flat_map(|(_, instances)| instances.iter().map(|shown| shown.status)),
    );
    let list = Applications {
        version: 1,
        hash,
        apps,
    };
    answer::fresh(form, wire::applications(form.format, form.detail, &list))
}
