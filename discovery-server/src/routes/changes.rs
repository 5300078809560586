//! The whole registry, as soon as it is another one than the caller knows.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use common::extract::Query;
use http::HeaderMap;
use serde::Deserialize;
use tokio::time::timeout;

use super::answer;
use super::caller::Reader;
use crate::AppState;
use crate::domain::registry::Registry;
use crate::listing::{Form, Scope};
use crate::wire::{Detail, Format};

const LONGEST_WAIT_S: u64 = 25;

/// A large registry in turmoil is told in strides rather than anew for each change.
const LARGE: usize = 500;
const STRIDE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    after: Option<u64>,
    epoch: Option<String>,
    wait: Option<u64>,
}

pub(super) async fn wait(
    State(state): State<AppState>,
    _: Reader,
    form: Form,
    Query(known): Query<Known>,
    asked: HeaderMap,
) -> Response {
    let patience = Duration::from_secs(known.wait.unwrap_or(0).min(LONGEST_WAIT_S));
    tokio::select! {
        // Out of time: the caller learns that nothing has changed.
        _ = timeout(patience, news(&state, &known)) => {}
        () = state.stopping.cancelled() => {}
    }
    let form = Form {
        gzip: form.gzip,
        is_push: true,
        ..Form::plain(Format::Json, Detail::Full)
    };
    answer::kept(form, state.board.body(Scope::All, form).await, &asked)
}

/// Returns once the registry differs from what the caller knows of this life of the server.
async fn news(state: &AppState, known: &Known) {
    let mut versions = state.board.subscribe();
    let is_same_life = known
        .epoch
        .as_deref()
        .is_none_or(|epoch| epoch == state.board.epoch());
    if !is_same_life || known.after != Some(*versions.borrow_and_update()) {
        return;
    }
    // The sender lives as long as the board, which `state` holds.
    let _ = versions.changed().await;
    if state.board.read(Registry::size) > LARGE {
        tokio::time::sleep(STRIDE).await;
    }
}
