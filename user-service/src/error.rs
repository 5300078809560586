//! Everything that can go wrong, and what a client hears of it.

use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use common::mysql;
use common::problem::Problem;
use http::StatusCode;

/// A request that is not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Already a problem document.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// There is an account with this e-mail address.
    #[error("e-mail address taken")]
    EmailTaken,
    /// Unknown account, wrong password, suspended: nobody is told which.
    #[error("wrong credentials")]
    WrongCredentials,
    /// Too many failures.
    #[error("throttled")]
    Throttled(TimeDelta),
    /// The password was right; a one-time code is needed as well.
    #[error("second factor required")]
    SecondFactorRequired,
    /// The password was right, the one-time code was not.
    #[error("wrong code")]
    WrongCode,
    /// The password was right; this account must set up a second factor first.
    #[error("second factor must be set up")]
    EnrolmentRequired {
        /// The new secret, in base 32.
        secret: String,
        /// The same for an authenticator app.
        otpauth_url: String,
    },
    /// The refresh token is worth nothing.
    #[error("refresh token refused")]
    RefreshRefused,
    /// All cores are hashing.
    #[error("busy")]
    Busy,
    /// It would leave nobody to administer the house.
    #[error("last admin")]
    LastAdmin,
    /// Administrators change each other's role, not their own.
    #[error("own role")]
    OwnRole,
    /// Does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// The database refused or is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Our fault.
    #[error("{0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// A 422 about one member.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Problem(Problem::invalid(Vec::new()).error(pointer, detail))
    }

    /// Doing the same again may succeed: a lost deadlock.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(error) if mysql::is_retryable(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => problem,
            Error::EmailTaken => {
                Self::conflict("email-taken", "There is an account with this e-mail address")
            }
            Error::WrongCredentials => credentials("wrong-credentials", "E-mail or password is wrong"),
            Error::Throttled(pause) => throttled(pause),
            Error::SecondFactorRequired => {
                credentials("second-factor-required", "A one-time code is needed").detail("send it as `code`")
            }
            Error::WrongCode => credentials("second-factor-wrong", "The one-time code is wrong or was used")
                .detail("wait for the next one"),
            Error::EnrolmentRequired { secret, otpauth_url } => Self::forbidden(
                "second-factor-enrolment-required",
                "add the secret to an authenticator app, then log in with its code",
            )
            .with("secret", secret)
            .with("otpauth_url", otpauth_url),
            Error::RefreshRefused => credentials("refresh-refused", "The session is over; log in again"),
            Error::Busy => Self::unavailable("too many people are logging in at this moment").retry_after(2),
            Error::LastAdmin => Self::conflict("last-admin", "The last active administrator stays"),
            Error::OwnRole => Self::conflict("own-role", "Another administrator must change your role"),
            Error::NotFound => Self::not_found(),
            Error::Database(error) => mysql::problem(&error),
            Error::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "request failed");
                Self::internal()
            }
        }
    }
}

fn credentials(code: &str, title: &str) -> Problem {
    let challenge = http::HeaderValue::from_static("Bearer realm=\"healthcare\"");
    Problem::new(StatusCode::UNAUTHORIZED, code, title).header(http::header::WWW_AUTHENTICATE, challenge)
}

fn throttled(pause: TimeDelta) -> Problem {
    let seconds = u64::try_from(pause.num_seconds()).unwrap_or(0) + 1;
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "login-throttled",
        "Too many failed attempts",
    )
    .detail("try again later")
    .retry_after(seconds)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
