//! Twilio's Messages resource: the fields that its published description knows and no others, and refusals for the
//! numbers that its test credentials refuse.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use common::extract::{Json, Query};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Mood;
use crate::helpers::NOW;

pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "12345";
pub(crate) const FROM: &str = "+15005550006";

const KNOWN: [&str; 8] = [
    "To",
    "From",
    "MessagingServiceSid",
    "Body",
    "StatusCallback",
    "ValidityPeriod",
    "ContentRetention",
    "AddressRetention",
];

#[derive(Clone)]
pub(crate) struct FakeTwilio {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    mood: HashMap<String, Vec<Mood>>,
    sent: Vec<HashMap<String, String>>,
    calls: usize,
    strangers: usize,
    silent: bool,
}

impl FakeTwilio {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Inner::default()));
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        let router = Router::new()
            .route(&path, post(create).get(list))
            .route("/elsewhere", axum::routing::any(stranger))
            .with_state(state.clone());
        Self {
            address: common_testing::serve(router).await,
            state,
        }
    }

    /// What happens to the next messages to `to`, one after the other; after that all is good.
    pub(crate) fn script(&self, to: &str, moods: &[Mood]) {
        let moods = moods.iter().rev().copied().collect();
        self.state.lock().unwrap().mood.insert(to.to_owned(), moods);
    }

    /// Messages that a phone would show.
    pub(crate) fn sent(&self) -> Vec<HashMap<String, String>> {
        self.state.lock().unwrap().sent.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Requests that were sent elsewhere by us and followed there.
    pub(crate) fn strangers(&self) -> usize {
        self.state.lock().unwrap().strangers
    }

    /// From now on questions about messages are not answered.
    pub(crate) fn be_silent(&self) {
        self.state.lock().unwrap().silent = true;
    }
}

type Shared = State<Arc<Mutex<Inner>>>;

async fn stranger(State(state): Shared) -> StatusCode {
    state.lock().unwrap().strangers += 1;
    StatusCode::OK
}

async fn list(
    State(state): Shared,
    Query(wanted): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !is_ours(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, 20_003);
    }
    let state = state.lock().unwrap();
    if state.silent {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let to = state
        .sent
        .iter()
        .rev()
        .filter(|message| message["To"] == wanted["To"]);
    let shown: Vec<Value> = to
        .map(|message| json!({"sid": message["sid"], "body": message["Body"], "date_created": message["made"], "status": "sent"}))
        .collect();
    Json(json!({"messages": shown, "next_page_uri": null, "page": 0, "page_size": 50})).into_response()
}

fn is_ours(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given == expected.as_str())
}

async fn create(State(state): Shared, request: Request) -> Response {
    state.lock().unwrap().calls += 1;
    if !is_ours(request.headers()) {
        return refuse(StatusCode::UNAUTHORIZED, 20_003);
    }
    if request.headers()[header::CONTENT_TYPE] != "application/x-www-form-urlencoded" {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let form: HashMap<String, String> = fields.iter().cloned().collect();
    if let Some(code) = objection(&fields, &form) {
        return refuse(StatusCode::BAD_REQUEST, code);
    }
    let to = form["To"].clone();
    let mood = state
        .lock()
        .unwrap()
        .mood
        .get_mut(&to)
        .and_then(Vec::pop)
        .unwrap_or(Mood::Good);
    let sid = format!("SM{}", uuid::Uuid::now_v7().simple());
    if mood.takes() {
        let mut taken = form.clone();
        taken.insert("sid".to_owned(), sid.clone());
        taken.insert(
            "made".to_owned(),
            NOW.parse::<DateTime<Utc>>().unwrap().to_rfc2822(),
        );
        state.lock().unwrap().sent.push(taken);
    }
    if let Some(answer) = mood.answer("/elsewhere").await {
        return answer;
    }
    let created = json!({
        "sid": sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": form["Body"], "status": "queued",
        "to": to, "from": FROM, "direction": "outbound-api", "error_code": null, "error_message": null,
        "num_segments": "1", "num_media": "0", "price": null,
    });
    (StatusCode::CREATED, Json(created)).into_response()
}

/// The error's number, if there is something wrong with the request.
fn objection(fields: &[(String, String)], form: &HashMap<String, String>) -> Option<i64> {
    if fields.len() != form.len() || fields.iter().any(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Some(20_001);
    }
    let Some(to) = form.get("To") else {
        return Some(21_604);
    };
    let body = form.get("Body").map_or("", String::as_str);
    let validity = form
        .get("ValidityPeriod")
        .map_or(Ok(36_000), |text| text.parse::<u32>());
    let callback = form.get("StatusCallback").map(|text| url::Url::parse(text));
    match to.as_str() {
        "+15005550001" => Some(21_211),
        "+15005550002" => Some(21_612),
        "+15005550003" => Some(21_408),
        "+15005550004" => Some(21_610),
        "+15005550009" => Some(21_614),
        other if !is_e164(other) => Some(21_211),
        _ if form.get("From").is_none_or(|from| from != FROM) => Some(21_606),
        _ if body.is_empty() => Some(21_602),
        _ if body.chars().count() > 1_600 => Some(21_617),
        _ if !validity.is_ok_and(|seconds| (1..=36_000).contains(&seconds)) => Some(21_622),
        _ if callback.is_some_and(|url| url.is_err()) => Some(21_609),
        _ => None,
    }
}

fn is_e164(number: &str) -> bool {
    number.starts_with('+')
        && (9..=16).contains(&number.len())
        && number[1..].bytes().all(|b| b.is_ascii_digit())
}

fn refuse(status: StatusCode, code: i64) -> Response {
    let error = json!({
        "code": code,
        "message": "the number +15005550001\r\nis \u{1b}[31mbad",
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status.as_u16(),
    });
    (status, Json(error)).into_response()
}
