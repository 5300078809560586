//! The API before anybody has logged in, and the one place where answers are taken apart.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Login, NewUser, User};
use crate::refusal::{ApiError, Refusal};
use crate::session::Session;

/// The gateway at one address.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
}

impl Api {
    /// A client of the gateway at `base`, such as `http://localhost:8080`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    #[expect(
        clippy::disallowed_methods,
        reason = "an outsider has no service token, and its retries are its own"
    )]
    pub fn new(base: &str) -> Result<Self, ApiError> {
        let http = Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// A request without a token, for what the typed calls do not cover.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn register(&self, user: &NewUser) -> Result<User, ApiError> {
        self.post("/register", user).await
    }

    /// Whoever logs in gets a [`Session`] to act in.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session, ApiError> {
        let login: Login = self
            .post(
                "/login",
                &serde_json::json!({ "email": email, "password": password }),
            )
            .await?;
        Ok(Session::new(self.clone(), login))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ApiError> {
        read(self.request(Method::POST, path).json(body)).await
    }
}

/// Sends, and refuses everything but success.
///
/// # Errors
/// There was no answer, or its status is not 2xx.
pub async fn send(request: RequestBuilder) -> Result<Response, ApiError> {
    let response = request.send().await?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let problem = serde_json::from_slice(&response.bytes().await?).ok();
    Err(ApiError::Refused(Box::new(Refusal {
        status,
        headers,
        problem,
    })))
}

/// Sends, and reads the JSON of a success.
///
/// # Errors
/// As [`send`], or the body is not a `T`.
pub async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ApiError> {
    let body = send(request).await?.bytes().await?;
    Ok(serde_json::from_slice(&body)?)
}
