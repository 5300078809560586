//! The table: one line per endpoint.

pub mod admin;
pub mod audit;
pub mod doctors;
pub mod internal;
pub mod keys;
pub mod me;
pub mod passwords;
pub mod register;
pub mod second_factor;
pub mod sessions;
pub mod views;

use axum::routing::{delete, get, post, put};
use common::server::Router;
use utoipa::OpenApi;

use crate::state::AppState;

/// All routes.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/register", post(register::register))
        .route("/login", post(sessions::login))
        .route("/token/refresh", post(sessions::refresh))
        .route("/logout", post(sessions::logout))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", delete(sessions::end))
        .route("/users/me", get(me::show).patch(me::update))
        .route("/users/me/password", put(passwords::change))
        .route("/users/me/second-factor", post(second_factor::begin))
        .route(
            "/users/me/second-factor/confirmation",
            post(second_factor::confirm),
        )
        .route("/users/me/second-factor/removal", post(second_factor::remove))
        .route("/password/forgot", post(passwords::forgot))
        .route("/password/reset", post(passwords::reset))
        .route("/users", get(admin::list).post(admin::create))
        .route("/users/{id}", get(admin::show).patch(admin::update))
        .route("/doctors", get(doctors::list))
        .route("/doctors/{id}", get(doctors::show))
        .route("/doctors/{id}/verification", put(doctors::verify))
        .route("/doctors/{id}/availability", put(doctors::set_availability))
        .route("/.well-known/jwks.json", get(keys::jwks))
        .route("/keys", get(keys::list))
        .route("/keys/rotate", post(keys::rotate))
        .route("/audit", get(audit::list))
        .route("/internal/token", post(internal::token))
        .route("/internal/users/{id}", get(internal::user))
        .route("/internal/users/lookup", post(internal::lookup))
        .route("/internal/revocations", get(internal::revocations))
        .route("/internal/password-resets/{id}", get(internal::password_reset))
        .with_state(state)
}

/// The public part, described.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "Accounts, sessions and tokens"),
    paths(
        register::register,
        sessions::login,
        sessions::refresh,
        sessions::logout,
        sessions::list,
        sessions::end,
        me::show,
        me::update,
        passwords::change,
        passwords::forgot,
        passwords::reset,
        second_factor::begin,
        second_factor::confirm,
        second_factor::remove,
        admin::list,
        admin::create,
        admin::show,
        admin::update,
        doctors::list,
        doctors::show,
        doctors::verify,
        doctors::set_availability,
        keys::jwks,
        keys::list,
        keys::rotate,
        audit::list,
    )
)]
struct Api;
