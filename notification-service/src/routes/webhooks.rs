//! What providers tell us. Nothing is believed before its signature has been checked over the bytes as they came.

pub mod sendgrid;
pub mod signature;
pub mod twilio;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use common::extract::too_large;
use common::problem::Problem;

/// The body as it came.
fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large("no provider sends this much at once"),
        _ => Problem::bad_request("the body ended early or cannot be read"),
    })
}
