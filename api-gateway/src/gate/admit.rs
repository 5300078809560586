//! May this request come in, and where does it lead? Each step is cheaper than the one after it.

use std::sync::Arc;

use common::auth::{Role, bearer};
use common::problem::Problem;
use http::request::Parts;
use http::{HeaderName, Response, header};

use super::Gate;
use super::visit::Visit;
use crate::domain::cors::Cors;
use crate::domain::table::Lookup;
use crate::domain::{headers, target};
use crate::error::Denied;
use crate::limits::Class;
use crate::routes::Pages;
use crate::rules::{Access, Route, Rules};
use crate::tokens::Unknown;

/// Where an admitted request leads.
pub enum Way {
    /// To a service.
    Through(Arc<Route>),
    /// To one of the gateway's own pages.
    Own(&'static str),
    /// Nowhere: this is the answer.
    Answered(Response<()>),
}

/// Check a request's head, and take out of it what must not reach a service.
///
/// # Errors
/// It may not come in.
pub async fn admit(gate: &Gate, rules: &Rules, visit: &mut Visit, parts: &mut Parts) -> Result<Way, Denied> {
    let route = match lead(rules, visit, parts) {
        Ok(Way::Through(route)) => route,
        Ok(Way::Own(page)) => return Ok(Way::Own(page)),
        answered => {
            limit(visit, &rules.public)?;
            return answered;
        }
    };
    let role = identify(gate, rules, visit, parts, &route).await?;
    limit(visit, &route.class)?;
    if role.is_some_and(|role| !route.access.admits(role)) {
        return Err(Denied::Role);
    }
    headers::strip_request(&mut parts.headers).map_err(Denied::Header)?;
    refuse_large(parts, route.body_limit)?;
    let place = rules.in_flight.take(visit.caller_key(&route.class).0);
    visit.place = Some(place.map_err(|_| Denied::Busy)?);
    Ok(Way::Through(route))
}

/// Where the request would lead, if it may come in.
fn lead(rules: &Rules, visit: &mut Visit, parts: &Parts) -> Result<Way, Denied> {
    refuse_upgrade(parts)?;
    let path = target::canonical(parts.uri.path()).map_err(Denied::Path)?;
    if let Some(page) = Pages::template(path) {
        visit.page = Some(page);
        return Ok(Way::Own(page));
    }
    match rules.table.find(path, &parts.method) {
        Lookup::Found(route) => {
            visit.route = Some(Arc::clone(route));
            Ok(Way::Through(Arc::clone(route)))
        }
        Lookup::WrongMethod(allow) => preflight(visit, parts, allow),
        Lookup::Nothing => Err(Denied::NotFound),
    }
}

/// Another protocol on this connection would pass by everything that is checked here.
fn refuse_upgrade(parts: &Parts) -> Result<(), Denied> {
    let asks = [header::UPGRADE, HeaderName::from_static("http2-settings")];
    if asks.iter().any(|name| parts.headers.contains_key(name)) {
        return Err(Denied::Upgrade);
    }
    Ok(())
}

/// OPTIONS is no method of any route: it is answered here, and only to pages that are listed.
fn preflight(visit: &mut Visit, parts: &Parts, allow: &str) -> Result<Way, Denied> {
    match visit.origin.take() {
        Some(origin) if Cors::is_preflight(&parts.method, &parts.headers) => {
            Ok(Way::Answered(Cors::permit(&origin, allow)))
        }
        origin => {
            visit.origin = origin;
            Err(Denied::Method(allow.to_owned()))
        }
    }
}

/// Who is asking; `None` where nobody need say.
async fn identify(
    gate: &Gate,
    rules: &Rules,
    visit: &mut Visit,
    parts: &Parts,
    route: &Route,
) -> Result<Option<Role>, Denied> {
    if route.access == Access::Public {
        return Ok(None);
    }
    let token = match bearer(&parts.headers) {
        Ok(token) => token,
        Err(problem) => {
            limit(visit, &rules.public)?;
            return Err(Denied::Token(problem));
        }
    };
    let checks = &rules.token_checks;
    let source = visit.address_key(checks.class());
    match gate.tokens.holder(token, checks, source).await {
        Ok(claims) => {
            visit.actor = Some(claims.sub.uuid());
            Ok(Some(claims.role))
        }
        Err(Unknown::Refused(refusal, allowance)) => {
            match allowance {
                Some(charged) => visit.allowance = Some(charged),
                // One that was good, or cannot be looked at now, is no bad one: it counts like none.
                None => limit(visit, &rules.public)?,
            }
            Err(Denied::Token(Problem::from(refusal)))
        }
        Err(Unknown::TooMany(allowance)) => {
            visit.allowance = Some(allowance);
            Err(Denied::Limited(allowance))
        }
    }
}

fn limit(visit: &mut Visit, class: &Class) -> Result<(), Denied> {
    let allowance = class.take(visit.caller_key(class));
    visit.allowance = Some(allowance);
    if allowance.refused_for_s.is_some() {
        Err(Denied::Limited(allowance))
    } else {
        Ok(())
    }
}

/// A length that is told beforehand need not be waited for.
fn refuse_large(parts: &Parts, limit: u64) -> Result<(), Denied> {
    let told = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|length: u64| length > limit) {
        Err(Denied::TooLarge(limit))
    } else {
        Ok(())
    }
}
