//! What only other services may call.

use std::time::Duration;

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::auth::{
    RevocationFeed, SERVICE_TYPE, ServiceCaller, ServiceClaims, ServiceToken, ServiceTokenRequest,
};
use common::clients::users::{Found, Lookup, MAX_LOOKUP, ResetToken, UserCard};
use common::extract::{Json, Path, Query};
use common::ids::UserId;
use common::problem::Problem;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use uuid::Uuid;

use super::views::card;
use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::error::Error;
use crate::passwords;
use crate::state::AppState;
use crate::store::users;

/// Longer waits run into the deadlines of what lies between.
const LONGEST_WAIT_S: u64 = 25;
/// The only service that may see reset tokens: it writes the mail.
const MAILER: &str = "notification-service";

/// A token with which the service that proves its name may call another.
pub async fn token(
    State(state): State<AppState>,
    headers: HeaderMap,
    client: Client,
    Json(body): Json<ServiceTokenRequest>,
) -> Result<Json<ServiceToken>, Error> {
    let known = basic(&headers).filter(|(name, secret)| state.services.know(name, secret));
    let Some((name, _)) = known else {
        return Err(refuse(&state, &client).await);
    };
    if !state.services.has(&body.audience) {
        return Err(Error::invalid("/audience", "is no service"));
    }
    let now = state.core.clock.now();
    let life = state.settings().token.service_life_s;
    let claims = ServiceClaims {
        iss: state.core.settings.auth.issuer.clone(),
        aud: body.audience,
        sub: name,
        jti: Uuid::now_v7(),
        iat: now.timestamp(),
        nbf: now.timestamp(),
        exp: now.timestamp() + life,
    };
    let access_token = state.keyring.sign(SERVICE_TYPE, &claims, now)?;
    Ok(Json(ServiceToken {
        access_token,
        expires_in: u64::try_from(life).unwrap_or(0),
    }))
}

async fn refuse(state: &AppState, client: &Client) -> Error {
    let note = async {
        let mut change = Change::begin(state).await?;
        change.note(Entry::refused("service_token", "wrong credentials").from(client.network()));
        change.commit().await
    };
    let challenge = HeaderValue::from_static("Basic realm=\"services\"");
    let refusal =
        Problem::unauthorized("wrong service credentials").header(header::WWW_AUTHENTICATE, challenge);
    note.await.err().unwrap_or_else(|| refusal.into())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD
        .decode(encoded.trim())
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':')
        .map(|(name, secret)| (name.to_owned(), secret.to_owned()))
}

/// One account.
pub async fn user(
    State(state): State<AppState>,
    _: ServiceCaller,
    Path(id): Path<UserId>,
) -> Result<Json<UserCard>, Error> {
    let account = users::find(&mut *state.db.acquire().await?, id).await?;
    account.map(|account| Json(card(account))).ok_or(Error::NotFound)
}

/// Those of many accounts that exist.
pub async fn lookup(
    State(state): State<AppState>,
    _: ServiceCaller,
    Json(body): Json<Lookup>,
) -> Result<Json<Found>, Error> {
    if body.ids.len() > MAX_LOOKUP {
        return Err(Error::invalid("/ids", format!("must be at most {MAX_LOOKUP}")));
    }
    let accounts = users::find_many(&mut *state.db.acquire().await?, &body.ids).await?;
    Ok(Json(Found {
        users: accounts.into_iter().map(card).collect(),
    }))
}

/// After what, and how long to wait for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    after: Option<u64>,
    #[serde(default)]
    wait: u64,
}

/// Whose tokens are worth nothing: all of them, or what is newer than `after` as soon as there is any.
pub async fn revocations(
    State(state): State<AppState>,
    _: ServiceCaller,
    Query(query): Query<FeedQuery>,
) -> Result<Json<RevocationFeed>, Error> {
    if let Some(after) = query.after {
        state
            .feed
            .wait(after, Duration::from_secs(query.wait.min(LONGEST_WAIT_S)))
            .await?;
    }
    Ok(Json(state.feed.read(query.after, state.core.clock.now()).await?))
}

/// The token of an open password reset, just in time for the mail.
pub async fn password_reset(
    State(state): State<AppState>,
    caller: ServiceCaller,
    Path(id): Path<Uuid>,
) -> Result<Json<ResetToken>, Error> {
    if &*caller.name != MAILER {
        return Err(
            Problem::forbidden("not-for-you", "only the notification-service may ask for this").into(),
        );
    }
    Ok(Json(passwords::reset_token(&state, id).await?))
}
