//! The table of endpoints, one line each.

pub mod access_log;
pub mod amendments;
pub mod create;
pub mod files;
pub mod form;
pub mod grants;
pub mod records;
pub mod view;
pub mod withdrawal;

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post, put};
use common::server::Router;
use utoipa::OpenApi;

use crate::{AppState, bounded};

/// Methods, paths, handlers.
pub fn router(state: AppState) -> Router {
    let one_step = Router::new()
        .route("/records/{patient_id}", get(records::list))
        .route(
            "/records/{patient_id}/grants",
            post(grants::give).get(grants::list),
        )
        .route(
            "/records/{patient_id}/grants/{doctor_id}",
            delete(grants::take_back),
        )
        .route("/records/{patient_id}/access-log", get(access_log::list))
        .route("/records/{patient_id}/{record_id}", get(records::find))
        .route("/records/{patient_id}/{record_id}/file", get(files::download))
        .route(
            "/records/{patient_id}/{record_id}/withdrawal",
            put(withdrawal::withdraw),
        )
        .route(
            "/records/{patient_id}/{record_id}/versions",
            get(records::versions),
        )
        .route_layer(middleware::from_fn_with_state(state.clone(), bounded::request));
    // They last as long as their bodies; their steps are bounded one by one.
    let uploads = Router::new()
        .route("/records", post(create::create))
        .route(
            "/records/{patient_id}/{record_id}/amendments",
            post(amendments::amend),
        )
        .route_layer(DefaultBodyLimit::disable());
    one_step.merge(uploads).with_state(state)
}

#[derive(OpenApi)]
#[openapi(paths(
    create::create,
    records::list,
    grants::give,
    grants::list,
    grants::take_back,
    access_log::list,
    records::find,
    files::download,
    amendments::amend,
    withdrawal::withdraw,
    records::versions,
))]
pub struct Documentation;
