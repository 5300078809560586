//! Settings from config-server: fetched at the start, with a sealed copy of the last good answer for when it is away.

mod cache;
pub mod flat;

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};
use url::Url;

use super::environment::typed;
use super::signature::{Question, SIGNATURE, SigningKey};
use super::{ConfigServerSettings, HttpClientSettings};
use crate::clock::Clock;
use cache::Cache;

const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(200);

/// Why config-server gave no settings. None of the texts holds the URL, which has a password in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// No connection, no answer in time, or one that says to come back later.
    #[error("config-server is away: {0}")]
    Away(String),
    /// It does not let us read this; asking again will not help.
    #[error("config-server refused with status {0}")]
    Refused(StatusCode),
    /// The answer is not what a config-server says.
    #[error("config-server's answer cannot be read: {0}")]
    Unreadable(String),
    /// Whoever answers does not know this service's secret, or what it said was changed on the way.
    #[error("config-server's answer is not signed with this service's secret")]
    Unsigned,
}

/// The place where one service's settings are asked for, and the copy of the last ones that were accepted.
pub(crate) struct Source<'a> {
    url: &'a Url,
    name: &'a str,
    settings: &'a ConfigServerSettings,
    cache: Option<Cache>,
}

impl<'a> Source<'a> {
    /// The settings of the service `name` at `url`.
    pub(crate) fn new(url: &'a Url, name: &'a str, settings: &'a ConfigServerSettings) -> Self {
        let cache = settings
            .cache_dir
            .as_deref()
            .and_then(|folder| Cache::new(folder, url, name, &settings.profile));
        Self {
            url,
            name,
            settings,
            cache,
        }
    }

    /// Config-server's answer, merged and nested.
    pub(crate) async fn fetch(&self) -> Result<Value, RemoteError> {
        fetch(self.url, self.name, self.settings).await
    }

    /// Keep a copy of `values`, which have proved to fit.
    pub(crate) fn accepted(&self, values: &Value) {
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(values)) {
            tracing::warn!(%error, "the copy of the settings cannot be written");
        }
    }

    /// The last settings that were accepted. Says in the log where the settings come from instead.
    pub(crate) fn last_good(&self) -> Option<Value> {
        match self.cache.as_ref().map(Cache::read) {
            Some(Ok(values)) => {
                tracing::warn!("settings come from the copy of config-server's last good answer");
                Some(values)
            }
            Some(Err(error)) => {
                tracing::error!(%error, "settings come from the defaults: the copy cannot be read");
                None
            }
            None => {
                tracing::error!("settings come from the defaults: no copy is kept");
                None
            }
        }
    }
}

/// Ask until there is an answer or `timeout` has passed: at the start of a fleet config-server may be a moment late.
async fn fetch(url: &Url, name: &str, settings: &ConfigServerSettings) -> Result<Value, RemoteError> {
    let timeout = Duration::from_millis(settings.timeout_ms);
    let deadline = Instant::now() + timeout;
    let client = client(timeout)?;
    let address = address(url, name, &settings.profile)?;
    loop {
        let asked = ask(&client, address.clone(), settings.require_signature);
        let error = match tokio::time::timeout_at(deadline, asked).await {
            Ok(Err(error @ RemoteError::Away(_))) => error,
            Ok(answer) => return answer.map(Answer::into_values),
            Err(_) => RemoteError::Away("no answer in time".to_owned()),
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

fn client(timeout: Duration) -> Result<reqwest::Client, RemoteError> {
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let settings = HttpClientSettings {
        connect_timeout_ms: timeout_ms,
        timeout_ms,
    };
    crate::http::client(&settings).map_err(|error| RemoteError::Away(error.to_string()))
}

fn address(url: &Url, name: &str, profile: &str) -> Result<Url, RemoteError> {
    let mut address = url.clone();
    let mut segments = address.path_segments_mut().map_err(|()| {
        RemoteError::Unreadable("the address of config-server is no base address".to_owned())
    })?;
    segments.pop_if_empty().extend([name, profile]);
    drop(segments);
    // Spring's server does not know the parameter and leaves placeholders to its clients; ours resolves them.
    address.set_query(Some("resolvePlaceholders=true"));
    Ok(address)
}

async fn ask(client: &reqwest::Client, mut address: Url, signed: bool) -> Result<Answer, RemoteError> {
    let (user, password) = (decoded(address.username()), address.password().map(decoded));
    let cleared = address.set_username("").and_then(|()| address.set_password(None));
    cleared.map_err(|()| RemoteError::Unreadable("the address of config-server has no host".to_owned()))?;
    let request = client
        .get(address.clone())
        .header(http::header::ACCEPT, "application/json");
    if signed {
        let seal = Seal::new(&user, &password.unwrap_or_default(), &address);
        let answer = send(request.header(http::header::AUTHORIZATION, seal.authorization())).await?;
        let tag = answer.headers().get(SIGNATURE).cloned();
        let body = body(answer).await?;
        return if seal.holds(tag.as_ref(), &body) {
            Answer::parse(&body)
        } else {
            Err(RemoteError::Unsigned)
        };
    }
    let request = if user.is_empty() {
        request
    } else {
        request.basic_auth(user, password)
    };
    Answer::parse(&body(send(request).await?).await?)
}

/// An answer that is one.
async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, RemoteError> {
    let response = request
        .send()
        .await
        .map_err(|error| RemoteError::Away(error.without_url().to_string()))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(RemoteError::Away(format!("status {status}")))
        }
        status => Err(RemoteError::Refused(status)),
    }
}

/// A question whose answer must be signed.
struct Seal {
    key: SigningKey,
    question: Question,
    path: String,
}

impl Seal {
    fn new(name: &str, secret: &str, address: &Url) -> Self {
        Self {
            key: SigningKey::new(secret),
            question: Question::new(name, Clock::System.now()),
            path: format!("{}?{}", address.path(), address.query().unwrap_or_default()),
        }
    }

    fn authorization(&self) -> String {
        self.key.authorization(&self.question, &self.path)
    }

    fn holds(&self, tag: Option<&HeaderValue>, body: &[u8]) -> bool {
        let about = (StatusCode::OK.as_u16(), self.path.as_str());
        tag.and_then(|tag| tag.to_str().ok())
            .is_some_and(|tag| self.key.has_signed(&self.question, about, body, tag))
    }
}

/// User and password are percent-encoded inside a URL.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .map(|(_, value)| value.into_owned())
        .collect()
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, RemoteError> {
    let mut body = Vec::new();
    while let Some(part) = response
        .chunk()
        .await
        .map_err(|error| RemoteError::Away(error.without_url().to_string()))?
    {
        body.extend_from_slice(&part);
        if body.len() > LARGEST_ANSWER {
            return Err(RemoteError::Unreadable("it is too large".to_owned()));
        }
    }
    Ok(body)
}

/// Flat properties know texts where YAML knows more: an empty list and `null` are an empty text on the wire, and
/// `.properties` files hold nothing but texts. The defaults say what was meant, as for the environment.
pub(crate) fn fit(values: &mut Value, defaults: &Value) {
    match (values, defaults) {
        (Value::Object(members), Value::Object(defaults)) => {
            for (name, member) in members {
                fit(member, defaults.get(name).unwrap_or(&Value::Null));
            }
        }
        (values @ Value::String(_), Value::Null) if values == "" => *values = Value::Null,
        (values, defaults) => {
            if let Value::String(text) = values {
                *values = typed(defaults, std::mem::take(text));
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    version: Option<String>,
    property_sources: Vec<PropertySource>,
}

#[derive(Debug, Deserialize)]
struct PropertySource {
    name: String,
    source: Map<String, Value>,
}

impl Answer {
    fn parse(body: &[u8]) -> Result<Self, RemoteError> {
        serde_json::from_slice(body).map_err(|error| RemoteError::Unreadable(error.to_string()))
    }

    fn into_values(self) -> Value {
        let mut flat = flat::merge(self.property_sources.iter().map(|source| &source.source));
        flat.retain(|key, _| {
            let Some(secret) = key.strip_prefix("invalid.") else {
                return true;
            };
            tracing::error!(key = secret, "config-server cannot decrypt this value");
            false
        });
        let files: Vec<&str> = self
            .property_sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        let version = self.version.as_deref().unwrap_or("none");
        tracing::info!(version, ?files, "settings come from config-server");
        flat::nest(flat)
    }
}

#[cfg(test)]
mod tests;
