//! Why a request is refused, and how that is said.

use axum::response::{IntoResponse, Response};
use common::extract;
use common::problem::Problem;
use http::{HeaderValue, StatusCode, header};

use crate::domain::draft::Invalid;
use crate::domain::lease::Lease;
use crate::domain::names::BadName;
use crate::domain::registry::Refusal;
use crate::wire::{self, Detail, Format, Unreadable};

/// Every refusal of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or none that is known.
    #[error("a credential is needed")]
    NoCredential,
    /// The credential does not cover this.
    #[error("this credential may not do this")]
    NotYours,
    /// The instance calls from another address than it registers.
    #[error("an instance registers the address that it calls from")]
    OtherAddress,
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// The body is no registration.
    #[error("cannot parse request body")]
    Unreadable(Format),
    /// A field of the registration is wrong.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// A parameter is wrong.
    #[error("{0}")]
    BadParameter(&'static str),
    /// The registry is full.
    #[error("the registry takes no more {0}")]
    Full(&'static str),
    /// Too many registrations in a minute.
    #[error("too many registrations")]
    TooFast,
    /// The body is too large.
    #[error("the body is too large")]
    TooLarge,
    /// A peer's word is older than ours, which is this.
    #[error("a newer registration is known")]
    Outdated(Box<Lease>),
}

impl Error {
    /// The status under which it is said.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoCredential => StatusCode::UNAUTHORIZED,
            Self::NotYours | Self::OtherAddress => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unreadable(_) | Self::Invalid(_) | Self::BadParameter(_) => StatusCode::BAD_REQUEST,
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Outdated(_) => StatusCode::CONFLICT,
        }
    }

    /// The same without a body: clients try to parse the body of a failed heartbeat as an instance.
    pub fn quiet(self) -> Response {
        match self {
            Self::Outdated(_) => self.into_response(),
            other => {
                let (status, headers) = (other.status(), other.into_response().headers().clone());
                let mut response = status.into_response();
                for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
                    if let Some(value) = headers.get(&name) {
                        response.headers_mut().insert(name, value.clone());
                    }
                }
                response
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let said = self.to_string();
        match self {
            Self::NoCredential => {
                Problem::unauthorized("send HTTP Basic credentials: a service's name and secret")
                    .header(
                        header::WWW_AUTHENTICATE,
                        HeaderValue::from_static("Basic realm=\"registry\""),
                    )
                    .into_response()
            }
            Self::NotYours | Self::OtherAddress => Problem::forbidden("not-yours", said).into_response(),
            Self::NotFound => Problem::not_found().into_response(),
            // Clients and people know these refusals by their text.
            Self::Invalid(_) | Self::BadParameter(_) => (StatusCode::BAD_REQUEST, said).into_response(),
            Self::Unreadable(format) => {
                let body = match format {
                    Format::Json => serde_json::json!({ "error": said }).to_string().into_bytes(),
                    Format::Xml => wire::xml::error(&said),
                };
                (
                    StatusCode::BAD_REQUEST,
                    [(header::CONTENT_TYPE, format.media_type())],
                    body,
                )
                    .into_response()
            }
            Self::Full(_) => Problem::new(self.status(), "registry-full", "The registry is full")
                .detail(said)
                .retry_after(60)
                .into_response(),
            Self::TooFast => Problem::new(self.status(), "too-many-requests", "Too many requests")
                .detail(said)
                .retry_after(60)
                .into_response(),
            Self::TooLarge => {
                extract::too_large("a registration is larger than this registry takes").into_response()
            }
            Self::Outdated(ours) => {
                let body = wire::instance(Format::Json, Detail::Full, &ours.in_its_own_words());
                (
                    StatusCode::CONFLICT,
                    [(header::CONTENT_TYPE, Format::Json.media_type())],
                    body,
                )
                    .into_response()
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::NotFound,
            Refusal::NotYours => Self::NotYours,
            Refusal::Full(what) => Self::Full(what),
            Refusal::Outdated(ours) => Self::Outdated(ours),
        }
    }
}

/// A name that cannot be one names nothing.
impl From<BadName> for Error {
    fn from(_: BadName) -> Self {
        Self::NotFound
    }
}

impl From<Unreadable> for Error {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable(Format::Json)
    }
}
