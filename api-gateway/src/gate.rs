//! What happens to one request, from its head to the last byte of its answer.

pub mod admit;
pub mod answer;
pub mod visit;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::response::Response;
use common::clock::Clock;
use common::context::REQUEST_ID;
use http::Request;
use http::{HeaderMap, HeaderName};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::access_log::AccessLog;
use crate::domain::cors::Cors;
use crate::domain::headers;
use crate::error::{self, Denied};
use crate::meter::Meter;
use crate::proxy::forward::{Forwarder, announce_close};
use crate::routes::Pages;
use crate::rules::{Route, Rules};
use crate::tokens::Tokens;
use admit::Way;
use answer::{Answer, Busy, Tracked};
use visit::{Peer, Visit};

/// What all workers share.
pub struct Gate {
    pub rules: ArcSwap<Rules>,
    pub pages: ArcSwap<Pages>,
    pub tokens: Tokens,
    pub clock: Clock,
    /// For requests that no route takes.
    unmatched: Meter,
    draining: AtomicBool,
}

impl Gate {
    /// Everything is there; nothing is being stopped.
    pub fn new(rules: Rules, pages: Pages, tokens: Tokens, clock: Clock) -> Self {
        Self {
            rules: ArcSwap::from_pointee(rules),
            pages: ArcSwap::from_pointee(pages),
            tokens,
            clock,
            unmatched: Meter::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on every answer is the last one of its connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Where the visit is counted.
    fn meter<'g>(&'g self, visit: &'g Visit) -> &'g Meter {
        visit.route.as_ref().map_or(&self.unmatched, |route| &route.meter)
    }

    /// Whether connections are being ended.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// What one worker has of its own.
pub struct Worker {
    pub gate: Arc<Gate>,
    pub forwarder: Forwarder,
    pub log: AccessLog,
}

/// Answer one request. Never fails: whatever goes wrong becomes a problem document.
pub async fn answer(
    worker: Rc<Worker>,
    peer: Peer,
    request: Request<Incoming>,
    busy: Busy,
) -> Response<Tracked> {
    let rules = worker.gate.rules.load_full();
    let (mut parts, body) = request.into_parts();
    let mut visit = Visit::begin(&parts, peer, &rules);
    let admitted = admit::admit(&worker.gate, &rules, &mut visit, &mut parts).await;
    let answered = match admitted {
        Ok(Way::Through(route)) => {
            through(&worker, &mut visit, &route, Request::from_parts(parts, body)).await
        }
        Ok(Way::Own(page)) => Ok(own(&worker.gate, &visit, page, Request::from_parts(parts, body)).await),
        Ok(Way::Answered(response)) => Ok(response.map(|()| Answer::Own(Body::empty()))),
        Err(denied) => Err(denied),
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(denied) => refuse(&mut visit, denied).await,
    };
    dress(&worker.gate, &visit, response.headers_mut());
    Tracked::wrap(response, visit, worker, busy)
}

/// Pass the request on to its service.
async fn through(
    worker: &Worker,
    visit: &mut Visit,
    route: &Route,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Denied> {
    visit.mark(request.headers_mut());
    let service = &route.target;
    let answered = worker
        .forwarder
        .forward(service, route, request)
        .await
        .map_err(Denied::Upstream)?;
    let mut response = answered.response;
    visit.instance = Some(response.body().instance());
    headers::strip_response(response.headers_mut());
    visit.ends_connection |= answered.early;
    if error::is_bare(response.status(), response.headers()) {
        let status = response.status();
        visit.reason = Some("bare-error");
        return Ok(visit.problem(error::in_place_of(status)).await);
    }
    Ok(response.map(Answer::Relay))
}

/// One of the gateway's own pages.
async fn own(gate: &Gate, visit: &Visit, page: &str, mut request: Request<Incoming>) -> Response<Answer> {
    let pages = gate.pages.load_full();
    request.extensions_mut().insert(visit.address_key(pages.class()));
    let serving = pages.router(page).oneshot(request.map(Body::new));
    let mut response = match visit.context.clone().scope(serving).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    pages.translate_limits(response.headers_mut());
    response.map(Answer::Own)
}

async fn refuse(visit: &mut Visit, denied: Denied) -> Response<Answer> {
    visit.reason = Some(denied.reason());
    visit.ends_connection |= denied.ends_connection();
    metrics::counter!("gateway_refusals_total", "reason" => denied.reason()).increment(1);
    visit.problem(denied.problem()).await
}

/// What every answer carries, whoever gave it.
fn dress(gate: &Gate, visit: &Visit, answer: &mut HeaderMap) {
    headers::secure(answer);
    answer.insert(
        HeaderName::from_static(REQUEST_ID),
        visit.context.request_id_header(),
    );
    if let Some(allowance) = &visit.allowance {
        allowance.tell(answer);
    }
    if let Some(origin) = &visit.origin {
        Cors::admit(origin, answer);
    }
    if visit.ends_connection || gate.is_draining() {
        announce_close(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn every_connection_has_room_for_one_answer_in_the_making() {
        let answer = size_of_future(answer);
        assert!(answer < 8192, "{answer}");
    }
}
