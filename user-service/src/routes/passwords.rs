//! Changing, forgetting and resetting passwords.

use axum::extract::State;
use common::auth::Caller;
use common::extract::Json;
use common::problem::ProblemDocument;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::client::Client;
use crate::error::Error;
use crate::passwords;
use crate::state::AppState;

/// The password in use, and the one to use.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(value_type = String)]
    current_password: SecretString,
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    email: String,
}

/// The token from the mail, and the password to use.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    token: String,
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Change one's password; every other session ends.
#[utoipa::path(put, path = "/users/me/password", tag = "accounts", request_body = PasswordChange,
    responses((status = 204), (status = 422, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Json(body): Json<PasswordChange>,
) -> Result<StatusCode, Error> {
    passwords::change(
        &state,
        &caller,
        (&body.current_password, body.new_password),
        &client,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a mail with which the password can be set anew. The answer is the same for every address.
#[utoipa::path(post, path = "/password/forgot", tag = "accounts", request_body = Forgotten, responses((status = 202)))]
pub async fn forgot(
    State(state): State<AppState>,
    client: Client,
    Json(body): Json<Forgotten>,
) -> Result<StatusCode, Error> {
    passwords::request_reset(&state, &body.email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with the token from the mail; every session ends.
#[utoipa::path(post, path = "/password/reset", tag = "accounts", request_body = PasswordReset,
    responses((status = 204), (status = 422, body = ProblemDocument)))]
pub async fn reset(
    State(state): State<AppState>,
    client: Client,
    Json(body): Json<PasswordReset>,
) -> Result<StatusCode, Error> {
    passwords::reset(&state, &body.token, body.new_password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
