//! SendGrid's Mail Send: required members, no unknown ones, and the limits of its documentation.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use common::extract::Json;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::Mood;

pub(crate) const KEY: &str = "SG.a-test-has-no-key";

const TOP: [&str; 8] = [
    "personalizations",
    "from",
    "reply_to",
    "subject",
    "content",
    "headers",
    "categories",
    "tracking_settings",
];
const PERSONAL: [&str; 3] = ["to", "subject", "custom_args"];
const RESERVED: [&str; 8] = [
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
];

#[derive(Clone)]
pub(crate) struct FakeSendGrid {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    mood: HashMap<String, Vec<Mood>>,
    sent: Vec<Value>,
    strangers: usize,
}

impl FakeSendGrid {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Inner::default()));
        let router = Router::new()
            .route("/v3/mail/send", post(send))
            .route("/elsewhere", axum::routing::any(stranger))
            .with_state(state.clone());
        Self {
            address: common_testing::serve(router).await,
            state,
        }
    }

    pub(crate) fn script(&self, to: &str, moods: &[Mood]) {
        let moods = moods.iter().rev().copied().collect();
        self.state.lock().unwrap().mood.insert(to.to_owned(), moods);
    }

    /// Mails that somebody would find in the mailbox, as they were asked for.
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.state.lock().unwrap().sent.clone()
    }

    pub(crate) fn strangers(&self) -> usize {
        self.state.lock().unwrap().strangers
    }
}

type Shared = State<Arc<Mutex<Inner>>>;

async fn stranger(State(state): Shared) -> StatusCode {
    state.lock().unwrap().strangers += 1;
    StatusCode::ACCEPTED
}

async fn send(State(state): Shared, request: Request) -> Response {
    let expected = format!("Bearer {KEY}");
    if request
        .headers()
        .get(header::AUTHORIZATION)
        .is_none_or(|given| given != expected.as_str())
    {
        return refuse(StatusCode::UNAUTHORIZED, "authorization required");
    }
    if request.headers()[header::CONTENT_TYPE] != "application/json" {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type");
    }
    let body = axum::body::to_bytes(request.into_body(), 30 << 20).await.unwrap();
    let Ok(mail) = serde_json::from_slice::<Value>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "Bad Request");
    };
    if let Some(objection) = objection(&mail) {
        return refuse(StatusCode::BAD_REQUEST, objection);
    }
    let to = mail["personalizations"][0]["to"][0]["email"]
        .as_str()
        .unwrap()
        .to_owned();
    let mood = state
        .lock()
        .unwrap()
        .mood
        .get_mut(&to)
        .and_then(Vec::pop)
        .unwrap_or(Mood::Good);
    if mood.takes() {
        state.lock().unwrap().sent.push(mail);
    }
    if let Some(answer) = mood.answer("/elsewhere").await {
        return answer;
    }
    (StatusCode::ACCEPTED, [("x-message-id", "LRzXl_NHStOGhQ4kofSm_A")]).into_response()
}

fn only(object: &Value, known: &[&str]) -> bool {
    object
        .as_object()
        .is_some_and(|map: &Map<String, Value>| map.keys().all(|key| known.contains(&key.as_str())))
}

fn objection(mail: &Value) -> Option<&'static str> {
    if !only(mail, &TOP) {
        return Some("unknown member");
    }
    let all = mail["personalizations"]
        .as_array()
        .filter(|all| (1..=1_000).contains(&all.len()));
    let Some(all) = all else {
        return Some("personalizations");
    };
    if !all
        .iter()
        .all(|one| only(one, &PERSONAL) && one["to"].as_array().is_some_and(|to| to.len() == 1))
    {
        return Some("personalizations");
    }
    let recipients = all.iter().map(|one| &one["to"][0]).chain([&mail["from"]]);
    for person in recipients {
        if !only(person, &["email", "name"])
            || !person["email"].as_str().is_some_and(|email| email.contains('@'))
        {
            return Some("address");
        }
        if person["name"]
            .as_str()
            .is_some_and(|name| name.contains([';', ',', '\r', '\n']))
        {
            return Some("name");
        }
    }
    if mail["from"]["name"].as_str().is_some_and(|name| !name.is_ascii()) {
        return Some("from");
    }
    if mail["subject"].as_str().is_none_or(str::is_empty) {
        return Some("subject");
    }
    let types: Vec<&str> = mail["content"]
        .as_array()?
        .iter()
        .filter_map(|part| part["type"].as_str())
        .collect();
    if types != ["text/plain", "text/html"] {
        return Some("content");
    }
    let headers = mail["headers"].as_object().into_iter().flatten();
    let reserved = headers
        .into_iter()
        .any(|(name, _)| RESERVED.contains(&name.to_lowercase().as_str()));
    reserved.then_some("headers")
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (
        status,
        Json(json!({ "errors": [{ "message": message, "field": null, "help": null }] })),
    )
        .into_response()
}
