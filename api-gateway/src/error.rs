//! Every way in which the gateway itself says no, and the problem document that says it.

use common::extract::too_large;
use common::problem::{MEDIA_TYPE, Problem};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::domain::headers::ProtectedHeader;
use crate::domain::target::NotCanonical;
use crate::limits::Allowance;
use crate::proxy::body::Broken;
use crate::proxy::forward::Failure;

/// Why a request is not answered by a service.
#[derive(Debug)]
pub enum Denied {
    Path(NotCanonical),
    Header(ProtectedHeader),
    Upgrade,
    NotFound,
    Method(String),
    /// No token or a bad one, in the words of the token check.
    Token(Problem),
    Role,
    Limited(Allowance),
    /// As many requests of this caller are under way as may be.
    Busy,
    TooLarge(u64),
    Upstream(Failure),
}

impl Denied {
    /// One word for the log and the metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Header(_) => "header",
            Self::Upgrade => "upgrade",
            Self::NotFound => "not-found",
            Self::Method(_) => "method",
            Self::Token(problem) if problem.status() == StatusCode::UNAUTHORIZED => "token",
            Self::Token(_) => "token-check",
            Self::Role => "role",
            Self::Limited(_) => "limit",
            Self::Busy => "in-flight",
            Self::TooLarge(_) | Self::Upstream(Failure::Body(Broken::TooLarge)) => "too-large",
            Self::Upstream(Failure::Body(Broken::Slow)) => "slow-body",
            Self::Upstream(Failure::Body(_)) => "client-body",
            Self::Upstream(Failure::Nobody(_)) => "no-instance",
            Self::Upstream(Failure::Unreachable) => "unreachable",
            Self::Upstream(Failure::BrokeOff) => "broke-off",
            Self::Upstream(Failure::TooSlow) => "timeout",
        }
    }

    /// Whether the connection must end with the answer.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Upgrade | Self::Path(_) | Self::Header(_) | Self::TooLarge(_)
        ) || matches!(self, Self::Upstream(Failure::Body(_)))
    }

    /// What the client hears. Nothing a service said is in it.
    pub fn problem(self) -> Problem {
        match self {
            Self::Path(error) => Problem::bad_request(error.to_string()),
            Self::Header(error) => Problem::bad_request(error.to_string()),
            Self::Upgrade => Problem::bad_request("only HTTP/1.1 is spoken here"),
            Self::NotFound => Problem::not_found(),
            Self::Method(allow) => match HeaderValue::from_str(&allow) {
                Ok(allow) => method_not_allowed().header(header::ALLOW, allow),
                Err(_) => method_not_allowed(),
            },
            Self::Token(problem) => problem,
            Self::Role => Problem::forbidden("role-not-allowed", "Your role does not include this."),
            Self::Limited(allowance) => too_many(allowance),
            Self::Busy => too_busy(),
            Self::TooLarge(limit) => too_large(format!("The body may have at most {limit} bytes here.")),
            Self::Upstream(failure) => upstream(failure),
        }
    }
}

/// 405; which methods there are is for a header to say.
pub fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
    )
    .detail("The Allow header says which methods this path takes.")
}

/// 429 with the time after which it is worth coming again.
pub fn too_many(allowance: Allowance) -> Problem {
    let wait = allowance.refused_for_s.unwrap_or(1);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests")
        .detail(format!("Try again in {wait} s."))
        .retry_after(wait)
}

fn too_busy() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-at-once",
        "Too many requests at once",
    )
    .detail("Wait for the answers to some of your requests first.")
    .retry_after(1)
}

/// An error of a service that is not a problem document: a library's own words, or nothing at all.
pub fn is_bare(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_error = status.is_client_error() || status.is_server_error();
    is_error
        && headers
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| kind.as_bytes() != MEDIA_TYPE.as_bytes())
}

/// What the client hears in place of a bare error. What the service says about trying again stays.
pub fn in_place_of(status: StatusCode, headers: &HeaderMap) -> Problem {
    let kept = [header::ALLOW, header::RETRY_AFTER]
        .into_iter()
        .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)));
    kept.fold(standing_for(status), |problem, (name, value)| {
        problem.header(name, value)
    })
}

fn standing_for(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(),
        StatusCode::UNAUTHORIZED => Problem::unauthorized("the token is not valid"),
        StatusCode::PAYLOAD_TOO_LARGE => too_large("The body is larger than this path allows."),
        StatusCode::TOO_MANY_REQUESTS => {
            Problem::new(status, "rate-limited", "Too many requests").retry_after(1)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Problem::unavailable("The part of the system behind this path is away.")
        }
        status if status.is_client_error() => {
            Problem::new(status, "malformed-request", "The request was refused")
        }
        status => Problem::new(status, "internal-error", "Something went wrong on our side"),
    }
}

fn upstream(failure: Failure) -> Problem {
    match failure {
        // Nothing was sent: coming back is safe.
        Failure::Nobody(_) | Failure::Unreachable => {
            Problem::unavailable("The part of the system behind this path is away.")
        }
        Failure::BrokeOff | Failure::Body(Broken::Service) => {
            Problem::new(StatusCode::BAD_GATEWAY, "bad-gateway", "No answer from behind")
                .detail("The part of the system behind this path did not answer. What you asked for may or may not have happened.")
        }
        Failure::TooSlow => Problem::new(StatusCode::GATEWAY_TIMEOUT, "gateway-timeout", "No answer in time")
            .detail("The part of the system behind this path took too long. What you asked for may or may not have happened."),
        Failure::Body(Broken::TooLarge) => too_large("The body is larger than this path allows."),
        Failure::Body(Broken::Slow) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request took too long")
                .detail("The body did not arrive in the time that this path allows.")
        }
        Failure::Body(Broken::Client) => Problem::bad_request("The body did not arrive whole."),
    }
}
