//! Problem documents (RFC 9457): the one shape of every 4xx and 5xx.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::context::RequestContext;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

const TYPE_BASE: &str = "https://healthcare.example/problems/";

/// An error as the client may see it. Causes are logged where they happen, never put in here.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

// Boxed, because it is the error of nearly every result.
#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    code: String,
    title: String,
    detail: Option<String>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: HeaderMap,
}

/// A problem's code, carried by its response for those who count answers.
#[derive(Clone, Debug)]
pub struct Code(pub String);

/// One thing that is wrong in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901) into the body, or `/name` of a query parameter.
    pub pointer: String,
    /// What is wrong, for a person.
    pub detail: String,
}

/// The document as OpenAPI describes it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProblemDocument {
    /// A stable URI whose last segment is the error's code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of error, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    #[serde(default)]
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The id to quote to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// For 422: what is wrong and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Members of the particular problem, such as `next_free`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem of the kind `code` (kebab-case, stable) with its `title`.
    pub fn new(status: StatusCode, code: impl Into<String>, title: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            title: title.into(),
            detail: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 400: the request cannot be parsed.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-request",
            "The request cannot be parsed",
        )
        .detail(detail)
    }

    /// 401: no token, or one that is not good.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A valid access token is needed",
        )
        .detail(detail)
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"healthcare\""),
        )
    }

    /// 403: this role may never do this.
    pub fn forbidden(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "Not allowed").detail(detail)
    }

    /// 404: it does not exist, or the caller may not know that it does.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found")
            .detail("There is nothing here, or nothing that you may see.")
    }

    /// 409: the state of the thing does not allow this now.
    pub fn conflict(code: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title)
    }

    /// 422 with everything that is wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-request",
            "The request is invalid",
        );
        problem.0.errors = errors;
        problem
    }

    /// 503: something behind this service is away; `Retry-After: 5`.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Temporarily unavailable",
        )
        .detail(detail)
        .retry_after(5)
    }

    /// 500: our fault; the cause is in the log under the request id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal-error",
            "Something went wrong on our side",
        )
        .detail("The error has been logged under the request id.")
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Add a member of this particular problem.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Serialize) -> Self {
        self.0.members.insert(
            member.to_owned(),
            serde_json::to_value(value).unwrap_or(Value::Null),
        );
        self
    }

    /// Add one thing that is wrong.
    #[must_use]
    pub fn error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Add a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Ask the client to come back after `seconds`.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code: the last segment of `type`.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The document's body, naming the current request.
    pub fn document(&self) -> ProblemDocument {
        let context = RequestContext::current();
        ProblemDocument {
            kind: format!("{TYPE_BASE}{}", self.0.code),
            title: self.0.title.clone(),
            status: self.0.status.as_u16(),
            detail: self.what_happened(),
            instance: context.as_ref().map(|c| c.path.clone()),
            request_id: context.map(|c| c.request_id.to_string()),
            errors: self.0.errors.clone(),
            members: self.0.members.clone(),
        }
    }

    /// Every document has a detail: clients show it, and one that is missing now and then is shown as a blank.
    fn what_happened(&self) -> String {
        match (&self.0.detail, self.0.errors.first()) {
            (Some(detail), _) => detail.clone(),
            (None, Some(error)) => format!("{} {}", error.pointer, error.detail).trim().to_owned(),
            (None, None) => self.0.title.clone(),
        }
    }

    /// Read a problem document that another service answered with.
    pub fn decode(status: StatusCode, body: &[u8]) -> Option<Self> {
        let document: ProblemDocument = serde_json::from_slice(body).ok()?;
        Some(Self(Box::new(Inner {
            status,
            code: document.kind.rsplit('/').next()?.to_owned(),
            title: document.title,
            detail: (!document.detail.is_empty()).then_some(document.detail),
            errors: document.errors,
            members: document.members,
            headers: HeaderMap::new(),
        })))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.0.code)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        response.extensions_mut().insert(Code(self.0.code));
        let headers = response.headers_mut();
        headers.extend(self.0.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Collects everything that is wrong with a request, so that the client hears it at once.
#[derive(Default, Debug)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// The value, or `None` and a note of what is wrong at `pointer`.
    pub fn take<T, E: fmt::Display>(&mut self, pointer: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(pointer, error.to_string());
                None
            }
        }
    }

    /// Note that what stands at `pointer` is wrong.
    pub fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
    }

    /// Nothing has been refused so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Go on, or answer 422 with all that was refused.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.errors))
        }
    }

    /// The 422, for a caller that knows something was refused.
    pub fn into_problem(self) -> Problem {
        Problem::invalid(self.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(problem: &Problem) -> String {
        problem.document().detail
    }

    #[test]
    fn every_document_says_what_happened() {
        let bare = Problem::conflict("taken", "It is taken");
        assert_eq!(detail(&bare), "It is taken");
        assert_eq!(detail(&bare.detail("by you")), "by you");
        let invalid = Problem::invalid(Vec::new()).error("/limit", "must be 1 to 100");
        assert_eq!(detail(&invalid), "/limit must be 1 to 100");
    }

    #[test]
    fn what_another_service_said_is_passed_on() {
        let body = serde_json::to_vec(&Problem::unavailable("away").with("since", 3).document()).unwrap();
        let decoded = Problem::decode(StatusCode::SERVICE_UNAVAILABLE, &body).unwrap();
        assert_eq!(
            (decoded.code(), detail(&decoded).as_str()),
            ("unavailable", "away")
        );
        assert_eq!(decoded.document().members["since"], 3);
    }
}
