//! The keys that tokens are checked with.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use common::auth::{Admin, KeySet};
use common::extract::{Json, Query, parse_json};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::error::Error;
use crate::keyring::KeyInfo;
use crate::state::AppState;

/// Shorter than the time for which a new key is published before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// How to rotate.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RotateQuery {
    /// The keys in use are in wrong hands: they go at once, and with them every token that they signed.
    #[serde(default)]
    withdraw: bool,
}

/// All that a body may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The signing keys.
#[derive(Serialize, ToSchema)]
pub struct KeyList {
    keys: Vec<KeyInfo>,
}

/// The public keys (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "accounts", responses((status = 200, body = KeySet)))]
pub async fn jwks(State(state): State<AppState>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, CACHE)],
        Json(state.keyring.key_set(state.core.clock.now())),
    )
}

/// The signing keys and their terms.
#[utoipa::path(get, path = "/keys", tag = "administration", responses((status = 200, body = KeyList)), security(("bearer" = [])))]
pub async fn list(State(state): State<AppState>, _: Admin) -> Json<KeyList> {
    Json(KeyList {
        keys: state.keyring.describe(),
    })
}

/// Let a new key take over.
#[utoipa::path(post, path = "/keys/rotate", tag = "administration", params(RotateQuery),
    responses((status = 200, body = KeyList)), security(("bearer" = [])))]
pub async fn rotate(
    State(state): State<AppState>,
    Admin(caller): Admin,
    client: Client,
    Query(query): Query<RotateQuery>,
    body: Bytes,
) -> Result<Json<KeyList>, Error> {
    // Whoever writes `withdraw` there must not believe that it was heard.
    if !body.is_empty() {
        parse_json::<Nothing>(&body)?;
    }
    let mut change = Change::begin(&state).await?;
    let now = change.now();
    state.keyring.rotate(change.db(), query.withdraw, now).await?;
    let entry = Entry::done("keys.rotated")
        .by(caller.id)
        .in_session(caller.session)
        .from(client.network());
    change.note(entry.with("withdraw", query.withdraw));
    change.commit().await?;
    state.keyring.load(&mut *state.db.acquire().await?, now).await?;
    Ok(Json(KeyList {
        keys: state.keyring.describe(),
    }))
}
