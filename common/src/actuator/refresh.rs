use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::routes::ok;
use super::{Actuator, Operator};
use crate::bus::{BusError, Destination};
use crate::config::RefreshError;
use crate::extract::Path;
use crate::problem::Problem;

/// Names the keys that changed but wait for the next start.
const AT_RESTART: HeaderName = HeaderName::from_static("x-takes-effect-at-restart");

/// Read the settings again; the answer names the keys that changed. Bad settings are refused and the old stay.
pub(super) async fn refresh(_: Operator, State(actuator): State<Actuator>) -> Result<Response, Problem> {
    let refreshed = (actuator.0.settings.refresh)().await?;
    let mut response = ok(json!(refreshed.changed)).into_response();
    // A key from a file may hold what no header can; the log has it all the same.
    if !refreshed.at_restart.is_empty()
        && let Ok(keys) = HeaderValue::from_str(&refreshed.at_restart.join(", "))
    {
        response.headers_mut().insert(AT_RESTART, keys);
    }
    Ok(response)
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        tracing::warn!(%error, "refresh refused; the old settings stay");
        match error {
            RefreshError::Away(_) => {
                Self::unavailable("config-server gives no settings at the moment; the old ones stay in force")
            }
            RefreshError::Refused(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "settings-refused",
                "The new settings are refused",
            )
            .detail("The old settings stay in force; the log says what is wrong."),
        }
    }
}

/// Have every instance of every service read its settings again.
pub(super) async fn everyone(_: Operator, State(actuator): State<Actuator>) -> Result<StatusCode, Problem> {
    actuator.0.bus.refresh(Destination::everyone()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same for the instances that `destination` names.
pub(super) async fn some(
    _: Operator,
    State(actuator): State<Actuator>,
    Path(destination): Path<String>,
) -> Result<StatusCode, Problem> {
    let destination: Destination = destination
        .parse()
        .map_err(|error| Problem::bad_request(format!("{error}")))?;
    actuator.0.bus.refresh(destination).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<BusError> for Problem {
    fn from(error: BusError) -> Self {
        match error {
            BusError::None => Self::new(StatusCode::NOT_FOUND, "no-bus", "There is no bus")
                .detail("The setting amqp.url names no broker."),
            BusError::Away(cause) => {
                tracing::warn!(%cause, "nobody was told to read settings again");
                Self::unavailable("the message broker is away at the moment")
            }
        }
    }
}
