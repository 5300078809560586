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
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, header};
use hyper::body::{Body as _, Incoming};
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
use answer::{Answer, Busy, Record, Tracked};
use visit::{Peer, UNMATCHED, Visit};

/// What all workers share.
pub struct Gate {
    pub rules: ArcSwap<Rules>,
    pub pages: ArcSwap<Pages>,
    pub tokens: Tokens,
    pub clock: Clock,
    /// For the gateway's own pages, and for requests that nothing takes.
    page_meters: Vec<(&'static str, Meter)>,
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
            page_meters: Pages::templates().map(|page| (page, Meter::page(page))).collect(),
            unmatched: Meter::page(UNMATCHED),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on every answer is the last one of its connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Where the visit is counted.
    fn meter<'g>(&'g self, visit: &'g Visit) -> &'g Meter {
        let page = |page| self.page_meters.iter().find(|(template, _)| *template == page);
        match (&visit.route, visit.page.and_then(page)) {
            (Some(route), _) => &route.meter,
            (None, Some((_, meter))) => meter,
            (None, None) => &self.unmatched,
        }
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
    peer: Rc<Peer>,
    request: Request<Incoming>,
    busy: Busy,
) -> Response<Tracked> {
    let rules = worker.gate.rules.load_full();
    let (mut parts, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let visit = Visit::begin(&parts, &peer, &rules);
    let mut record = Record::begin(visit, Rc::clone(&worker), busy);
    let visit = &mut record.visit;
    let answered = match admit::admit(&worker.gate, &rules, visit, &mut parts).await {
        Ok(Way::Through(route)) => through(&worker, visit, &route, Request::from_parts(parts, body)).await,
        Ok(Way::Own(page)) => {
            let response = own(
                &worker.gate,
                &rules,
                visit,
                (page, Request::from_parts(parts, body)),
            )
            .await;
            visit.ends_connection |= has_body && response.status().is_client_error();
            Ok(response)
        }
        Ok(Way::Answered(response)) => Ok(response.map(|()| Answer::Own(Body::empty()))),
        Err(denied) => Err(denied),
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(denied) => {
            // What nobody reads must not be taken for the next request.
            visit.ends_connection |= has_body;
            refuse(visit, denied).await
        }
    };
    dress(&worker.gate, &rules, visit, response.headers_mut());
    Tracked::wrap(response, record)
}

/// Pass the request on to its service.
async fn through(
    worker: &Worker,
    visit: &mut Visit,
    route: &Route,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Denied> {
    let answered = worker
        .forwarder
        .forward(&route.target, route, request, &|headers| visit.mark(headers))
        .await
        .map_err(Denied::Upstream)?;
    let mut response = answered.response;
    *response.version_mut() = Version::HTTP_11;
    visit.instance = Some(response.body().instance().clone());
    headers::strip_response(response.headers_mut());
    visit.ends_connection |= answered.early;
    if error::is_bare(response.status(), response.headers()) {
        visit.reason = Some("bare-error");
        let problem = error::in_place_of(response.status(), response.headers());
        return Ok(visit.problem(problem).await);
    }
    Ok(response.map(Answer::Relay))
}

/// One of the gateway's own pages.
async fn own(
    gate: &Gate,
    rules: &Rules,
    visit: &Visit,
    (page, mut request): (&str, Request<Incoming>),
) -> Response<Answer> {
    let pages = gate.pages.load_full();
    if !rules.monitors.iter().any(|block| block.contains(visit.client)) {
        drop_credential(request.headers_mut());
    }
    let router = pages.router(page, request.headers().contains_key(header::AUTHORIZATION));
    request.extensions_mut().insert(visit.address_key(pages.class()));
    let serving = router.oneshot(request.map(Body::new));
    let mut response = match visit.context.clone().scope(serving).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    pages.translate_limits(response.headers_mut());
    response.map(Answer::Own)
}

/// The credential of a system that watches from inside opens nothing from outside; an admin has a token.
fn drop_credential(headers: &mut HeaderMap) {
    let is_token = |value: &HeaderValue| {
        value
            .as_bytes()
            .first_chunk()
            .is_some_and(|scheme: &[u8; 7]| scheme.eq_ignore_ascii_case(b"bearer "))
    };
    if !headers.get(header::AUTHORIZATION).is_some_and(is_token) {
        headers.remove(header::AUTHORIZATION);
    }
}

async fn refuse(visit: &mut Visit, denied: Denied) -> Response<Answer> {
    visit.reason = Some(denied.reason());
    visit.ends_connection |= denied.ends_connection();
    metrics::counter!("gateway_refusals_total", "reason" => denied.reason()).increment(1);
    visit.problem(denied.problem()).await
}

/// What every answer carries, whoever gave it.
fn dress(gate: &Gate, rules: &Rules, visit: &Visit, answer: &mut HeaderMap) {
    headers::secure(answer);
    rules.cors.vary(answer);
    answer.insert(
        HeaderName::from_static(REQUEST_ID),
        visit.context.request_id.header(),
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
