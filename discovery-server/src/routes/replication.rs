//! Many changes at once from another server of this registry. Each is answered as if it had come alone.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::extract::Json;
use http::StatusCode;

use super::caller::{Body, Peer};
use super::{leases, operations};
use crate::domain::actor::Actor;
use crate::domain::draft::Draft;
use crate::domain::lease::Lease;
use crate::domain::names::{AppName, InstanceId};
use crate::domain::registry::Registered;
use crate::domain::status::Status;
use crate::error::Error;
use crate::wire::batch::{Action, Ages, Batch, Item, Replies, Reply};
use crate::wire::{Format, json};
use crate::{AppState, audit};

const LARGEST: usize = 10_000;

pub(super) async fn batch(
    State(state): State<AppState>,
    Peer(actor): Peer,
    Body(body): Body,
) -> Result<Json<Replies>, Error> {
    let batch: Batch = serde_json::from_slice(&body).map_err(|_| Error::Unreadable(Format::Json))?;
    if batch.replication_list.len() > LARGEST {
        return Err(Error::TooLarge);
    }
    let response_list = batch
        .replication_list
        .iter()
        .map(|item| reply(apply(&state, &actor, item), state.board.now()))
        .collect();
    Ok(Json(Replies { response_list }))
}

/// All that a peer has to know to be in step, as a batch.
pub(super) async fn everything(State(state): State<AppState>, _: Peer) -> Json<Batch> {
    Json(Batch {
        epoch: Some(state.board.epoch().to_owned()),
        replication_list: everything_known(&state),
    })
}

/// Who is there, and who left of late.
pub(crate) fn everything_known(state: &AppState) -> Vec<Item> {
    let now = state.board.now();
    let (leases, mut items) = state.board.read(|registry| {
        let leases: Vec<Lease> = registry.leases().cloned().collect();
        let left = registry
            .departed()
            .map(|(key, at)| Item::departure(key, Some((now - at).num_milliseconds())));
        (leases, left.collect::<Vec<_>>())
    });
    items.extend(leases.iter().map(|lease| Item::registration(lease, now)));
    items
}

/// Do what a peer tells.
pub(crate) fn apply(state: &AppState, actor: &Actor, item: &Item) -> Result<(), Error> {
    let key = (AppName::parse(&item.app_name)?, InstanceId::parse(&item.id)?);
    match item.action {
        Action::Register => enter(state, actor, &key.0, (item.draft()?, item.ages)),
        Action::Heartbeat => leases::prolong(state, actor, key, item.last_dirty_timestamp),
        Action::Cancel => leases::leave(state, actor, key, item.ages),
        Action::StatusUpdate => {
            let status = item.new_status().ok_or(Error::BadParameter("status is none"))?;
            operations::override_status(state, actor, key, status)
        }
        Action::DeleteStatusOverride => operations::end_override(state, actor, key, item.new_status()),
    }
}

/// Take in what a peer says of an instance.
pub(super) fn enter(
    state: &AppState,
    actor: &Actor,
    app: &AppName,
    (draft, ages): (Draft, Ages),
) -> Result<(), Error> {
    let overridden = draft
        .overridden
        .as_deref()
        .and_then(Status::parse)
        .filter(|status| *status != Status::Unknown);
    let instance = leases::checked(state, actor, app, draft)?;
    let id = instance.id.clone();
    let entered = state
        .board
        .write(|registry, now| registry.take_over(instance, overridden, ages.before(now), (actor, now)))?;
    if entered == Registered::Changed {
        audit::done(actor, app, &id, "registered");
    }
    Ok(())
}

fn reply(applied: Result<(), Error>, now: DateTime<Utc>) -> Reply {
    let (status, newer) = match applied {
        Ok(()) => (StatusCode::OK, None),
        Err(Error::Outdated(ours)) => (StatusCode::CONFLICT, Some(ours)),
        Err(error) => (error.status(), None),
    };
    Reply {
        status_code: status.as_u16(),
        response_entity: newer
            .as_ref()
            .map(|ours| json::instance_value(&ours.in_its_own_words())),
        ages: newer.map_or_else(Ages::default, |ours| Ages::of(&ours, now)),
    }
}
