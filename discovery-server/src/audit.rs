//! Every change of the registry, with the credential behind it and the address it came from.

use crate::domain::actor::Actor;
use crate::domain::draft::Invalid;
use crate::domain::names::{AppName, InstanceId};

/// `what` was done.
pub(crate) fn done(actor: &Actor, app: &AppName, id: &InstanceId, what: &str) {
    let from = actor.from.map(|from| from.to_string());
    tracing::info!(target: "audit", credential = %actor.name, from, app = %app, instance = %id, event = what, "registry");
}

/// `what` was refused, for the credential does not reach that far.
pub(crate) fn refused(actor: &Actor, app: &AppName, what: &str) {
    let from = actor.from.map(|from| from.to_string());
    metrics::counter!("eureka_server_refusals_total").increment(1);
    tracing::warn!(target: "audit", credential = %actor.name, from, app = %app, refused = what, "registry");
}

/// A registration is not fit to be read by others.
pub(crate) fn invalid(actor: &Actor, app: &AppName, why: &Invalid) {
    let from = actor.from.map(|from| from.to_string());
    metrics::counter!("eureka_server_refusals_total").increment(1);
    tracing::warn!(target: "audit", credential = %actor.name, from, app = %app, %why, "registration refused");
}
