//! The endpoints, one line each.

mod encryption;
mod environment;
mod lookup;
pub(crate) mod monitor;
mod reader;
mod resource;
mod signing;
mod view;

use axum::middleware;
use axum::routing::{get, post};
use common::server::Router;
use utoipa::OpenApi;

use crate::AppState;

pub(crate) fn router(state: AppState, prefix: &str) -> Router {
    let routes = Router::new()
        .route("/{file}", get(view::default_label))
        .route("/{name}/{profiles}", get(environment::default_label))
        .route("/{name}/{profiles}/", get(environment::default_label))
        .route("/{name}/{profiles}/{label}", get(environment::labelled))
        .route("/{name}/{profiles}/{label}/{*path}", get(resource::labelled))
        .route("/key", get(encryption::key))
        .route("/key/{name}/{profiles}", get(encryption::key))
        .route("/encrypt/status", get(encryption::status))
        .route("/encrypt", post(encryption::encrypt))
        .route("/encrypt/", post(encryption::encrypt))
        .route("/encrypt/{name}/{profiles}", post(encryption::encrypt_for))
        .route("/decrypt", post(encryption::decrypt))
        .route("/decrypt/", post(encryption::decrypt))
        .route("/decrypt/{name}/{profiles}", post(encryption::decrypt_for))
        .route("/monitor", post(monitor::notify))
        .with_state(state.clone());
    let routes = if prefix.is_empty() {
        routes
    } else {
        Router::new().nest(prefix, routes)
    };
    // Outside of the prefix: what is signed is the path that was asked for.
    routes.route_layer(middleware::from_fn_with_state(state, signing::sign))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "config-server",
        description = "Configuration in the words of Spring Cloud Config."
    ),
    paths(
        view::default_label,
        environment::default_label,
        environment::labelled,
        resource::labelled,
        encryption::key,
        encryption::status,
        encryption::encrypt,
        encryption::encrypt_for,
        encryption::decrypt,
        encryption::decrypt_for,
        monitor::notify
    )
)]
struct Document;

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
