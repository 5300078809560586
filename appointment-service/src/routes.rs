//! The table of endpoints, one line each.

pub mod appointments;
pub mod idempotency;
pub mod internal;
pub mod slots;

use axum::routing::{get, post, put};
use common::server::Router;
use utoipa::OpenApi;

use crate::AppState;
use appointments::{book, change, list, read, reschedule};

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/doctors/{id}/slots", get(slots::list))
        .route("/appointments", post(book::book).get(list::list))
        .route("/appointments/{id}", get(read::one))
        .route("/appointments/{id}/history", get(read::history))
        .route("/appointments/{id}/calendar", get(read::calendar))
        .route("/appointments/cancel", put(change::cancel))
        .route("/appointments/reschedule", put(reschedule::reschedule))
        .route("/appointments/confirm", put(change::confirm))
        .route("/appointments/complete", put(change::complete))
        .route("/appointments/no-show", put(change::no_show))
        .route("/internal/appointments/{id}", get(internal::appointment))
        .route("/internal/relationships", get(internal::relationship))
        .with_state(state)
}

#[derive(OpenApi)]
#[openapi(paths(
    slots::list,
    book::book,
    list::list,
    read::one,
    read::history,
    read::calendar,
    change::cancel,
    reschedule::reschedule,
    change::confirm,
    change::complete,
    change::no_show,
))]
pub struct Documentation;
