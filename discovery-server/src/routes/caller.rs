//! Who asks, and in which form the answer is wanted.

use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, MatchedPath, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::actor::{Actor, Power};
use crate::error::Error;
use crate::listing::Form;
use crate::wire::{Detail, Format};
use crate::{AppState, audit};

const REPLICATION: HeaderName = HeaderName::from_static("x-netflix-discovery-replication");
const EUREKA_ACCEPT: HeaderName = HeaderName::from_static("x-eureka-accept");

/// Somebody with a credential: may write, as far as it reaches.
pub(super) struct Writer(pub(super) Actor);

/// Another server of this registry.
pub(super) struct Peer(pub(super) Actor);

/// Somebody who may read: anybody, unless the settings want a credential for that too.
pub(super) struct Reader;

/// A body within the limit.
pub(super) struct Body(pub(super) Bytes);

impl FromRequestParts<AppState> for Writer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let mut actor = identified(parts, state)?;
        let is_replica = parts
            .headers
            .get(&REPLICATION)
            .is_some_and(|value| value == "true");
        if is_replica && actor.power == Power::Everything {
            actor.power = Power::Replication;
        }
        Ok(Self(actor))
    }
}

impl FromRequestParts<AppState> for Peer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let actor = identified(parts, state)?;
        if actor.power == Power::OwnApplication {
            audit::refused(&actor, None, "replication");
            return Err(Error::NotYours);
        }
        Ok(Self(Actor {
            power: Power::Replication,
            ..actor
        }))
    }
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        if state.settings.reads_need_credential {
            identified(parts, state)?;
        }
        Ok(Self)
    }
}

impl FromRequest<AppState> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        // A body that breaks off cannot be answered anyhow.
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|_| Error::TooLarge)
    }
}

impl FromRequestParts<AppState> for Form {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        let says = |name: HeaderName, word: &str| mentions(&parts.headers, &name, word);
        let format = if says(header::ACCEPT, "json") {
            Format::Json
        } else {
            Format::Xml
        };
        let detail = if says(EUREKA_ACCEPT, "compact") {
            Detail::Compact
        } else {
            Detail::Full
        };
        Ok(Self {
            gzip: says(header::ACCEPT_ENCODING, "gzip"),
            ..Self::plain(format, detail)
        })
    }
}

/// The format in which a body is sent.
pub(super) fn sent_format(headers: &HeaderMap) -> Format {
    if mentions(headers, &header::CONTENT_TYPE, "xml") {
        Format::Xml
    } else {
        Format::Json
    }
}

fn mentions(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let has_word = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| text.to_ascii_lowercase().contains(word))
    };
    headers.get_all(name).iter().any(has_word)
}

fn identified(parts: &Parts, state: &AppState) -> Result<Actor, Error> {
    let authorization = parts.headers.get(header::AUTHORIZATION);
    let known = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(|value| state.credentials.identify(value));
    let Some((name, power)) = known else {
        let route = parts.extensions.get::<MatchedPath>();
        audit::unknown(from(parts), &parts.method, route.map_or("", MatchedPath::as_str));
        return Err(Error::NoCredential);
    };
    Ok(Actor {
        name,
        power,
        from: from(parts),
    })
}

fn from(parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip().to_canonical())
}
