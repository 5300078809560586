//! user-service as far as the checks of tokens see it, in all the states that a bad day may bring.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use common::auth::{RevocationFeed, ServiceToken};
use common::extract::Query;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the key set's address answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Set(Value),
    Text(&'static str),
    Status(u16),
    /// Nothing for a minute.
    Slow,
    /// Spaces without end.
    Endless,
}

#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    state: Arc<Known>,
}

struct Known {
    keys: Mutex<Answer>,
    asked: AtomicUsize,
    feed: Mutex<Option<RevocationFeed>>,
    /// How many service tokens were given out: only the newest is good.
    tokens: AtomicUsize,
}

impl Issuer {
    /// Listen; the feed is away until it is told something.
    pub(crate) async fn start(keys: Answer) -> Self {
        let state = Arc::new(Known {
            keys: Mutex::new(keys),
            asked: AtomicUsize::new(0),
            feed: Mutex::new(None),
            tokens: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/jwks.json", get(key_set))
            .route("/internal/token", post(token))
            .route("/internal/revocations", get(revocations))
            .with_state(Arc::clone(&state));
        let address = common_testing::serve(router).await;
        Self { address, state }
    }

    pub(crate) fn keys(&self, answer: Answer) {
        *self.state.keys.lock().unwrap() = answer;
    }

    /// How often the key set was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn tell(&self, feed: RevocationFeed) {
        *self.state.feed.lock().unwrap() = Some(feed);
    }

    /// No service token that was given out is good any more.
    pub(crate) fn refuse_tokens(&self) {
        self.state.tokens.fetch_add(1, Ordering::SeqCst);
    }

    /// Settings of a service that believes this issuer.
    pub(crate) fn settings(&self) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "{{service: {{secret: trial-secret}}, auth: {{issuer_url: '{url}', jwks_url: '{url}/.well-known/jwks.json'}}}}"
        )
    }
}

async fn key_set(State(state): State<Arc<Known>>) -> Response {
    state.asked.fetch_add(1, Ordering::SeqCst);
    let answer = state.keys.lock().unwrap().clone();
    match answer {
        Answer::Set(set) => axum::Json(set).into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Slow => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            StatusCode::OK.into_response()
        }
        Answer::Endless => {
            let spaces = Bytes::from_static(&[b' '; 8192]);
            let stream = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(spaces.clone()));
            Body::from_stream(stream).into_response()
        }
    }
}

async fn token(State(state): State<Arc<Known>>) -> impl IntoResponse {
    axum::Json(ServiceToken {
        access_token: state.tokens.load(Ordering::SeqCst).to_string(),
        expires_in: 300,
    })
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

async fn revocations(
    State(state): State<Arc<Known>>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Response {
    let newest = state.tokens.load(Ordering::SeqCst);
    if headers["authorization"] != format!("Bearer {newest}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    for _ in 0..1000 {
        let feed = state.feed.lock().unwrap().clone();
        match feed {
            None => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Some(feed) if query.after != Some(feed.seq) => return axum::Json(json!(feed)).into_response(),
            Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    StatusCode::GATEWAY_TIMEOUT.into_response()
}
