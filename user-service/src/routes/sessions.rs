//! Login, refresh, logout, and the list of devices.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::auth::{Caller, Role};
use common::extract::{Json, Path, Query};
use common::ids::{SessionId, UserId};
use common::page::List;
use common::problem::ProblemDocument;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::user::Credentials;
use crate::error::Error;
use crate::login::{self, Attempt};
use crate::sessions::{self, Reason, Tokens};
use crate::state::AppState;
use crate::store;

/// E-mail and password, and a one-time code where a second factor is set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    email: String,
    #[schema(value_type = String)]
    password: SecretString,
    /// Of the authenticator app, or a recovery code.
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Tokens, and whose they are.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: i64,
    /// Good once.
    refresh_token: String,
    /// Seconds until the refresh token expires if it is not used.
    refresh_expires_in: i64,
    user: TokenUser,
    /// Only when this login ended the setting up of a second factor: shown this one time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery_codes: Vec<String>,
}

/// Whose tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenUser {
    id: UserId,
    name: String,
    role: Role,
}

/// A login on some device.
#[derive(Serialize, ToSchema)]
pub struct Session {
    id: SessionId,
    /// The one that this request belongs to.
    current: bool,
    address: String,
    user_agent: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

fn answer(tokens: Tokens, user: Credentials, recovery_codes: &[SecretString]) -> Json<TokenAnswer> {
    Json(TokenAnswer {
        access_token: tokens.access,
        token_type: "Bearer",
        expires_in: tokens.access_life,
        refresh_token: tokens.refresh.expose_secret().to_owned(),
        refresh_expires_in: tokens.refresh_life,
        user: TokenUser {
            id: user.id,
            name: user.name,
            role: user.role,
        },
        recovery_codes: recovery_codes
            .iter()
            .map(|code| code.expose_secret().to_owned())
            .collect(),
    })
}

/// Log in.
#[utoipa::path(post, path = "/login", tag = "accounts", request_body = Login,
    responses((status = 200, body = TokenAnswer), (status = 401, body = ProblemDocument), (status = 429, body = ProblemDocument)))]
pub async fn login(
    State(state): State<AppState>,
    client: Client,
    Json(body): Json<Login>,
) -> Result<Json<TokenAnswer>, Error> {
    let attempt = Attempt {
        email: body.email,
        password: body.password,
        code: body.code,
    };
    let done = login::login(&state, attempt, &client).await?;
    Ok(answer(done.tokens, done.user, &done.recovery_codes))
}

/// Exchange a refresh token for new tokens. One used twice ends the session.
#[utoipa::path(post, path = "/token/refresh", tag = "accounts", request_body = Refresh,
    responses((status = 200, body = TokenAnswer), (status = 401, body = ProblemDocument)))]
pub async fn refresh(
    State(state): State<AppState>,
    client: Client,
    Json(body): Json<Refresh>,
) -> Result<Json<TokenAnswer>, Error> {
    let (tokens, user) = sessions::refresh(&state, &body.refresh_token, &client).await?;
    Ok(answer(tokens, user, &[]))
}

/// End the session that this request belongs to.
#[utoipa::path(post, path = "/logout", tag = "accounts", responses((status = 204)), security(("bearer" = [])))]
pub async fn logout(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
) -> Result<StatusCode, Error> {
    let mut change = Change::begin(&state).await?;
    if sessions::end(&mut change, caller.id, caller.session, Reason::Logout).await? {
        let entry = Entry::done("logout").by(caller.id).about(caller.id);
        change.note(entry.in_session(caller.session).from(client.network()));
        change.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's devices.
#[utoipa::path(get, path = "/sessions", tag = "accounts", params(PageQuery),
    responses((status = 200, body = List<Session>)), security(("bearer" = [])))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Session>>, Error> {
    let page =
        state
            .cursors
            .page::<SessionId>(caller.id, "sessions", query.limit, query.cursor.as_deref())?;
    let moment = (state.core.clock.now(), sessions::idle_limit(&state, caller.role));
    let mut connection = state.db.acquire().await?;
    let rows =
        store::sessions::list_open(&mut connection, caller.id, moment, page.after, page.fetch()).await?;
    let sessions = rows.into_iter().map(|row| Session {
        current: row.id == caller.session,
        id: row.id,
        address: row.address,
        user_agent: row.user_agent,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    });
    Ok(Json(page.list(sessions.collect(), |session| session.id)))
}

/// End one of the caller's sessions.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "accounts", params(("id" = SessionId, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn end(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, Error> {
    let mut change = Change::begin(&state).await?;
    if !sessions::end(&mut change, caller.id, id, Reason::EndedByUser).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry::done("session.ended").by(caller.id).about(caller.id);
    change.note(entry.in_session(id).from(client.network()));
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
