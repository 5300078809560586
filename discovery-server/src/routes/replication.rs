//! Many changes at once from another server of this registry. Each is answered as if it had come alone.

use axum::extract::State;
use common::extract::Json;
use http::StatusCode;

use super::caller::{Body, Peer};
use super::{leases, operations};
use crate::AppState;
use crate::domain::actor::Actor;
use crate::domain::names::{AppName, InstanceId};
use crate::error::Error;
use crate::wire::batch::{Action, Batch, Item, Replies, Reply};
use crate::wire::{Format, json};

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
        .map(|item| reply(apply(&state, &actor, item)))
        .collect();
    Ok(Json(Replies { response_list }))
}

fn apply(state: &AppState, actor: &Actor, item: &Item) -> Result<(), Error> {
    let key = (AppName::parse(&item.app_name)?, InstanceId::parse(&item.id)?);
    match item.action {
        Action::Register => leases::enter(state, actor, &key.0, item.draft()?),
        Action::Heartbeat => leases::prolong(state, actor, key, item.last_dirty_timestamp),
        Action::Cancel => leases::leave(state, actor, key),
        Action::StatusUpdate => {
            let status = item.new_status().ok_or(Error::BadParameter("status is none"))?;
            operations::override_status(state, actor, key, status)
        }
        Action::DeleteStatusOverride => operations::end_override(state, actor, key, None),
    }
}

fn reply(applied: Result<(), Error>) -> Reply {
    match applied {
        Ok(()) => Reply {
            status_code: StatusCode::OK.as_u16(),
            response_entity: None,
        },
        Err(error) => {
            let status_code = error.status().as_u16();
            let response_entity = match error {
                Error::Outdated(ours) => Some(json::instance_value(&ours)),
                _ => None,
            };
            Reply {
                status_code,
                response_entity,
            }
        }
    }
}
