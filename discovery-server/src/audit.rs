//! Every change of the registry and every refusal, with the credential behind it and the address it came from.

use std::net::IpAddr;

use http::Method;

use crate::domain::actor::Actor;
use crate::domain::draft::Invalid;
use crate::domain::names::{AppName, InstanceId};
use crate::error::Error;

/// `what` was done.
pub(crate) fn done(actor: &Actor, app: &AppName, id: &InstanceId, what: &str) {
    let from = actor.from.map(|from| from.to_string());
    tracing::info!(target: "audit", credential = %actor.name, from, app = %app, instance = %id, event = what, "registry");
}

/// Pass on how `what` went; recorded, if the credential does not reach that far.
pub(crate) fn tried<T>(
    outcome: Result<T, impl Into<Error>>,
    actor: &Actor,
    app: &AppName,
    what: &str,
) -> Result<T, Error> {
    let outcome = outcome.map_err(Into::into);
    if let Err(Error::NotYours | Error::OtherAddress) = &outcome {
        refused(actor, Some(app), what);
    }
    outcome
}

/// `what` was refused, for the credential does not reach that far.
pub(crate) fn refused(actor: &Actor, app: Option<&AppName>, what: &str) {
    let (from, app) = (actor.from.map(|from| from.to_string()), app.map(AppName::as_str));
    metrics::counter!("eureka_server_refusals_total").increment(1);
    tracing::warn!(target: "audit", credential = %actor.name, from, app, refused = what, "registry");
}

/// Somebody without a credential that is known asked for `route`.
pub(crate) fn unknown(from: Option<IpAddr>, method: &Method, route: &str) {
    let from = from.map(|from| from.to_string());
    metrics::counter!("eureka_server_refusals_total").increment(1);
    tracing::warn!(target: "audit", from, %method, route, refused = "no known credential", "registry");
}

/// A registration is not fit to be read by others.
pub(crate) fn invalid(actor: &Actor, app: &AppName, why: &Invalid) {
    let from = actor.from.map(|from| from.to_string());
    metrics::counter!("eureka_server_refusals_total").increment(1);
    tracing::warn!(target: "audit", credential = %actor.name, from, app = %app, %why, "registration refused");
}
