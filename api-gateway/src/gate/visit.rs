//! What is known about one request while it is being answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::response::IntoResponse;
use common::context::{REQUEST_ID, RequestContext, TRACEPARENT};
use common::problem::Problem;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, Version};
use uuid::Uuid;

use super::answer::Answer;
use crate::domain::address::{self, Block};
use crate::limits::caps::Place;
use crate::limits::{Allowance, CallerKey, Class};
use crate::rules::{Route, Rules};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What is counted and logged in the place of a template where nothing matched.
pub const UNMATCHED: &str = "unmatched";

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub is_tls: bool,
    /// The address as text: the same for every request of a connection.
    text: HeaderValue,
}

impl Peer {
    /// Who is on the other end.
    pub fn new(address: IpAddr, is_tls: bool) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            is_tls,
            text: as_text(address),
        }
    }

    /// The address as text.
    pub fn text(&self) -> &str {
        self.text.to_str().unwrap_or_default()
    }
}

fn as_text(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// One request's way through the gate.
pub struct Visit {
    pub begun: Instant,
    pub context: RequestContext,
    pub method: Method,
    /// The client's own address: the peer's, or what a trusted proxy says.
    pub client: IpAddr,
    pub route: Option<Arc<Route>>,
    /// The gateway's own page that was asked for.
    pub page: Option<&'static str>,
    pub actor: Option<Uuid>,
    pub allowance: Option<Allowance>,
    /// The web page that asks, if it may.
    pub origin: Option<HeaderValue>,
    pub reason: Option<&'static str>,
    /// `host:port` of the instance that answered.
    pub instance: Option<HeaderValue>,
    /// Counts this request among those of its caller that are under way.
    pub place: Option<Place>,
    pub ends_connection: bool,
    scheme: &'static str,
    host: Option<HeaderValue>,
    client_text: HeaderValue,
}

impl Visit {
    /// Read what the head says about itself.
    pub fn begin(parts: &Parts, peer: &Peer, rules: &Rules) -> Self {
        let headers = &parts.headers;
        let forwarded = headers
            .get_all(FORWARDED_FOR)
            .iter()
            // What cannot be read is no address, and nothing to its left counts.
            .map(|value| value.to_str().unwrap_or("?"));
        let client = address::client(peer.address, forwarded, &rules.trusted);
        let client_text = if client == peer.address {
            peer.text.clone()
        } else {
            as_text(client)
        };
        Self {
            begun: Instant::now(),
            context: RequestContext::from_headers(headers, parts.uri.path()),
            method: parts.method.clone(),
            client,
            client_text,
            route: None,
            page: None,
            actor: None,
            allowance: None,
            origin: rules.cors.listed(headers).cloned(),
            reason: None,
            instance: None,
            place: None,
            ends_connection: parts.version == Version::HTTP_10 && !keeps_alive(headers),
            scheme: scheme(peer, headers, &rules.trusted),
            host: headers.get(header::HOST).cloned(),
        }
    }

    /// The template that the path matched; no path of a client's choosing.
    pub fn template(&self) -> &str {
        match &self.route {
            Some(route) => &route.template,
            None => self.page.unwrap_or(UNMATCHED),
        }
    }

    /// The same, to be kept.
    pub fn shared_template(&self) -> Arc<str> {
        match &self.route {
            Some(route) => Arc::clone(&route.template),
            None => self.template().into(),
        }
    }

    /// The client's own address as text.
    pub fn client_text(&self) -> &str {
        self.client_text.to_str().unwrap_or_default()
    }

    /// The problem as an answer to this request.
    pub async fn problem(&self, problem: Problem) -> Response<Answer> {
        let document = async { problem.into_response() };
        self.context.clone().scope(document).await.map(Answer::Own)
    }

    /// Under what the caller is counted in `class`: the user, if known.
    pub fn caller_key(&self, class: &Class) -> CallerKey {
        self.actor
            .map_or_else(|| self.address_key(class), |user| CallerKey(user.as_u128()))
    }

    /// Under what the client's address is counted in `class`.
    pub fn address_key(&self, class: &Class) -> CallerKey {
        CallerKey(address::limit_key(self.client, class.is_crowded()))
    }

    /// Say to the service who is asking from where, and under which id.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let context = &self.context;
        headers.insert(HeaderName::from_static(REQUEST_ID), context.request_id.header());
        headers.insert(HeaderName::from_static(TRACEPARENT), context.traceparent.header());
        headers.insert(FORWARDED_FOR, self.client_text.clone());
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(self.scheme));
        if let Some(host) = &self.host {
            headers.insert(FORWARDED_HOST, host.clone());
        }
    }
}

fn keeps_alive(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONNECTION)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
}

/// How the client speaks to whoever stands in front.
fn scheme(peer: &Peer, headers: &HeaderMap, trusted: &[Block]) -> &'static str {
    let told = headers
        .get(FORWARDED_PROTO)
        .filter(|_| trusted.iter().any(|block| block.contains(peer.address)));
    match told.map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ if peer.is_tls => "https",
        _ => "http",
    }
}
