//! What an API answers when it does not do what it was asked.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

/// A call that brought no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API understood and refused, or was broken.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// No answer, or one that could not be read.
    #[error("no usable answer: {0}")]
    Transport(#[from] reqwest::Error),
    /// An answer whose body is not what was expected.
    #[error("an answer that cannot be understood: {0}")]
    Body(#[from] serde_json::Error),
}

impl ApiError {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Transport(_) | Self::Body(_) => None,
        }
    }

    /// The status of the refusal, if it is one.
    pub fn status(&self) -> Option<StatusCode> {
        self.refusal().map(|refusal| refusal.status)
    }
}

/// An answer of the 4xx or 5xx kind.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `None` when the body is not a problem document, which no answer should be.
    pub problem: Option<Problem>,
}

/// The members of a problem document (RFC 9457) that every answer carries.
#[derive(Debug, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(default)]
    pub detail: Option<String>,
    #[serde(default)]
    pub request_id: Option<String>,
    /// Further members, such as `errors` or `next_free`.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Refusal {
    /// The last segment of the problem's type, such as `slot-taken`; empty when there is none.
    pub fn code(&self) -> &str {
        self.problem
            .as_ref()
            .and_then(|problem| problem.kind.rsplit('/').next())
            .unwrap_or_default()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(problem) = &self.problem else {
            return write!(f, "{} without a problem document", self.status);
        };
        write!(f, "{} {}: {}", self.status.as_u16(), self.code(), problem.title)?;
        if let Some(detail) = &problem.detail {
            write!(f, " ({detail})")?;
        }
        match problem.more.get("errors") {
            Some(errors) => write!(f, " {errors}"),
            None => Ok(()),
        }
    }
}
