//! Calls to other services of the fleet: found by discovery, with a service token, a deadline, one more try
//! on another instance where that is safe, and a circuit breaker for each instance.

mod breaker;
mod client;
mod measure;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::ServiceTokens;
use crate::context::{REQUEST_ID, RequestContext, TRACEPARENT};
use crate::discovery::{Discovery, Instance};
use crate::problem::Problem;
use breaker::Breakers;

pub use client::{Client, client};

const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Why a call to another service gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No instance, no connection, no answer in time, or 5xx: answer 503.
    #[error("{service} cannot be reached: {cause}")]
    Unavailable {
        /// The callee.
        service: &'static str,
        /// For the log.
        cause: String,
    },
    /// It refused, and said why.
    #[error("{service} refused: {problem}")]
    Refused {
        /// The callee.
        service: &'static str,
        /// What it said.
        problem: Box<Problem>,
    },
    /// It answered something that does not fit the contract.
    #[error("{service} answered unreadably: {cause}")]
    Unreadable {
        /// The callee.
        service: &'static str,
        /// For the log.
        cause: String,
    },
}

impl From<CallError> for Problem {
    /// What our own client hears. The callee's words stay inside.
    fn from(error: CallError) -> Self {
        tracing::warn!(%error, "call to another service failed");
        match error {
            CallError::Unavailable { .. } => {
                Self::unavailable("another part of the system is away at the moment")
            }
            CallError::Refused { .. } | CallError::Unreadable { .. } => Self::internal(),
        }
    }
}

/// Makes calls to the fleet's services.
#[derive(Clone)]
pub struct Http {
    client: Client,
    discovery: Discovery,
    tokens: ServiceTokens,
    breakers: Arc<Breakers>,
}

impl Http {
    /// Calls with `client` to where `discovery` says, proving ourselves with `tokens`.
    pub fn new(client: Client, discovery: Discovery, tokens: ServiceTokens) -> Self {
        Self {
            client,
            discovery,
            tokens,
            breakers: Arc::default(),
        }
    }

    /// Calls to the service `app`, as `user-service`.
    pub fn service(&self, app: &'static str) -> ServiceClient {
        ServiceClient {
            http: self.clone(),
            app,
            turn: Arc::default(),
        }
    }
}

/// Calls to one service.
#[derive(Clone)]
pub struct ServiceClient {
    http: Http,
    app: &'static str,
    turn: Arc<AtomicUsize>,
}

impl ServiceClient {
    /// `GET path`; `None` on 404. Tried on a second instance when the first cannot answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CallError> {
        self.call::<(), T>(&Method::GET, path, None).await
    }

    /// `POST path` that only reads (a search with a body): repeated like a GET.
    pub async fn query<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<Option<T>, CallError> {
        self.call(&Method::POST, path, Some(body)).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Option<T>, CallError> {
        let mut failure = self.unavailable("no instance is known");
        for instance in self.candidates() {
            match self.try_instance(&instance, method, path, body).await {
                Ok(answer) => {
                    self.http.breakers.succeeded(&instance.id);
                    return self.read(answer).await;
                }
                Err(error) => {
                    self.http.breakers.failed(&instance.id);
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    /// Up to two instances, in turn, those with an open breaker last.
    fn candidates(&self) -> Vec<Arc<Instance>> {
        let mut instances = self.http.discovery.resolve(self.app);
        if !instances.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % instances.len();
            instances.rotate_left(turn);
        }
        instances.sort_by_key(|instance| self.http.breakers.is_open(&instance.id));
        instances.truncate(2);
        // With nothing else to ask, an open breaker is respected: fail at once instead of piling up.
        instances.retain(|instance| self.http.breakers.admits(&instance.id));
        instances
    }

    async fn try_instance<B: Serialize>(
        &self,
        instance: &Instance,
        method: &Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<reqwest::Response, CallError> {
        let mut fresh_token = false;
        loop {
            let token = self
                .http
                .tokens
                .for_service(self.app)
                .await
                .map_err(|e| self.unavailable(&e.to_string()))?;
            let mut request = self
                .http
                .client
                .request(method.clone(), format!("{}{path}", instance.base_url()))
                .bearer_auth(token);
            if let Some(context) = RequestContext::current() {
                request = request
                    .header(REQUEST_ID, context.request_id.header())
                    .header(TRACEPARENT, context.traceparent.header());
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let begun = Instant::now();
            let answer = request.send().await;
            measure::count(self.app, method, path, answer.as_ref(), begun.elapsed());
            let response = answer.map_err(|e| self.unavailable(&e.without_url().to_string()))?;
            if response.status() == StatusCode::UNAUTHORIZED && !fresh_token {
                // Keys may have been rotated under the token that was held.
                self.http.tokens.forget(self.app).await;
                fresh_token = true;
                continue;
            }
            if response.status().is_server_error() {
                return Err(self.unavailable(response.status().as_str()));
            }
            return Ok(response);
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        mut response: reqwest::Response,
    ) -> Result<Option<T>, CallError> {
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| self.unavailable(&e.without_url().to_string()))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(self.unreadable("too large"));
            }
        }
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map(Some)
                .map_err(|e| self.unreadable(&e.to_string()));
        }
        match Problem::decode(status, &body) {
            Some(problem) => Err(CallError::Refused {
                service: self.app,
                problem: Box::new(problem),
            }),
            None => Err(self.unreadable(status.as_str())),
        }
    }

    fn unavailable(&self, cause: &str) -> CallError {
        CallError::Unavailable {
            service: self.app,
            cause: cause.to_owned(),
        }
    }

    fn unreadable(&self, cause: &str) -> CallError {
        CallError::Unreadable {
            service: self.app,
            cause: cause.to_owned(),
        }
    }
}
