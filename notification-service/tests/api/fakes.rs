//! Stand-ins for the providers, stricter than the real ones.

pub(crate) mod sendgrid;
pub(crate) mod smtp;
pub(crate) mod twilio;

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// What a provider does with the next message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mood {
    Good,
    /// Answers this status and nothing useful, without taking the message.
    Status(u16),
    /// As above, asking for so many seconds of peace.
    Busy(u64),
    /// Takes the message and never answers.
    TakeAndHang,
    /// Takes the message and answers 500.
    TakeAndFail,
    /// Takes the message and answers what nobody can read.
    TakeAndBabble,
    /// Answers with megabytes.
    Flood,
    /// Sends elsewhere.
    Redirect,
}

impl Mood {
    pub(crate) fn takes(self) -> bool {
        matches!(
            self,
            Self::Good | Self::TakeAndHang | Self::TakeAndFail | Self::TakeAndBabble
        )
    }

    /// The answer instead of the usual one.
    pub(crate) async fn answer(self, elsewhere: &str) -> Option<Response> {
        Some(match self {
            Self::Good => return None,
            Self::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
            Self::Busy(seconds) => (
                StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", seconds.to_string())],
            )
                .into_response(),
            Self::TakeAndHang => {
                tokio::time::sleep(Duration::from_mins(10)).await;
                return None;
            }
            Self::TakeAndFail => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Self::TakeAndBabble => (StatusCode::CREATED, "<html>\r\n\u{1b}[31m</html>").into_response(),
            Self::Flood => (StatusCode::CREATED, Body::from(vec![b' '; 8 << 20])).into_response(),
            Self::Redirect => (
                StatusCode::TEMPORARY_REDIRECT,
                [("location", elsewhere.to_owned())],
            )
                .into_response(),
        })
    }
}
