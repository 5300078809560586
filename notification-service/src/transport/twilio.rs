use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{Ticket, asked_wait, no_answer};
use crate::config::Settings;
use crate::domain::outcome::Outcome;

const MAX_ANSWER: usize = 64 * 1024;
const MAX_PAGE: usize = 1024 * 1024;
const PAGE: &str = "50";
/// Between Twilio's clock and ours.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_VALIDITY: TimeDelta = TimeDelta::hours(10);

pub struct Twilio {
    client: Client,
    url: Url,
    user: String,
    password: SecretString,
    from: (&'static str, String),
    callback: Url,
}

/// A page of messages, the newest first.
#[derive(Deserialize)]
struct Page {
    messages: Vec<Listed>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    sid: String,
    body: String,
    date_created: String,
}

#[derive(Deserialize)]
struct Created {
    sid: String,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
}

impl Twilio {
    pub(super) fn new(settings: &Settings, client: Client) -> anyhow::Result<Self> {
        let twilio = &settings.twilio;
        let account = twilio
            .account_sid
            .clone()
            .context("TWILIO_ACCOUNT_SID is not set")?;
        let token = twilio
            .auth_token
            .clone()
            .context("TWILIO_AUTH_TOKEN is not set")?;
        let from = twilio.from.clone().context("TWILIO_FROM is not set")?;
        let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
        // An API key can be withdrawn by itself; the token is then only for checking webhooks.
        let (user, password) = match (&twilio.api_key, &twilio.api_secret) {
            (Some(key), Some(secret)) => (key.clone(), secret.clone()),
            _ => (account, token),
        };
        Ok(Self {
            client,
            url: twilio.base_url.join(&path)?,
            user,
            password,
            from: (
                if from.starts_with("MG") {
                    "MessagingServiceSid"
                } else {
                    "From"
                },
                from,
            ),
            callback: settings.public.base_url.join("/webhooks/twilio/status")?,
        })
    }

    pub(super) async fn send(&self, ticket: Ticket, to: &str, body: &str) -> Outcome {
        let callback = self.callback_for(ticket);
        let validity = validity_s(ticket).to_string();
        let form = [
            ("To", to),
            (self.from.0, &self.from.1),
            ("Body", body),
            ("StatusCallback", callback.as_str()),
            ("ValidityPeriod", &validity),
        ];
        let request = self
            .client
            .post(self.url.clone())
            .basic_auth(&self.user, Some(self.password.expose_secret()));
        match request.form(&form).send().await {
            Ok(response) => judge(response, ticket).await,
            Err(error) => no_answer("twilio", &error),
        }
    }

    /// The ids of messages with these words that were made for `to` since then; `None` if Twilio cannot be asked,
    /// or has more to show than a page.
    pub(super) async fn sent_since(&self, to: &str, body: &str, since: DateTime<Utc>) -> Option<Vec<String>> {
        let request = self
            .client
            .get(self.url.clone())
            .query(&[("To", to), ("PageSize", PAGE)])
            .basic_auth(&self.user, Some(self.password.expose_secret()));
        let response = request.send().await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let page: Page = serde_json::from_slice(&read(response, MAX_PAGE).await?).ok()?;
        let since = since - CLOCK_DIFFERENCE;
        let mut found = Vec::new();
        let mut seen_all = page.next_page_uri.is_none();
        for message in page.messages {
            let made = DateTime::parse_from_rfc2822(&message.date_created).ok()?;
            if made < since {
                seen_all = true;
            } else if message.body == body && is_sid(&message.sid) {
                found.push(message.sid);
            }
        }
        (seen_all || !found.is_empty()).then_some(found)
    }

    /// Our own id in the address: the report finds its message even when the answer to the request was lost.
    fn callback_for(&self, ticket: Ticket) -> Url {
        let mut url = self.callback.clone();
        url.query_pairs_mut()
            .append_pair("n", &ticket.id.to_string())
            .append_pair("a", &ticket.attempt.to_string());
        // Twilio reads its own retry policy here and does not sign it.
        url.set_fragment(Some("rc=3&rp=all"));
        url
    }
}

/// Twilio drops by itself what would come too late.
fn validity_s(ticket: Ticket) -> i64 {
    let left = ticket.expires_at.map_or(LONGEST_VALIDITY, |end| end - ticket.now);
    left.num_seconds().clamp(1, LONGEST_VALIDITY.num_seconds())
}

async fn judge(response: Response, ticket: Ticket) -> Outcome {
    let status = response.status();
    let wait = asked_wait(&response, ticket.now);
    let plain = format!("twilio-{}", status.as_u16());
    let body = read(response, MAX_ANSWER).await;
    if status.is_success() {
        let created = body.and_then(|body| serde_json::from_slice::<Created>(&body).ok());
        return match created.filter(|created| is_sid(&created.sid)) {
            Some(created) => Outcome::Accepted(Some(created.sid)),
            None => Outcome::Ambiguous("twilio-unreadable".to_owned()),
        };
    }
    let code = body
        .and_then(|body| serde_json::from_slice::<Failure>(&body).ok())
        .map(|failure| failure.code);
    let named = code.map_or(plain, |code| format!("twilio-{code}"));
    match (status, code) {
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some(20_429 | 21_611)) => {
            Outcome::NotTaken { code: named, wait }
        }
        (_, Some(21_610)) => Outcome::OptedOut,
        // Our sender, our credentials, our account: the next message would fare no better.
        (_, Some(20_003 | 20_404 | 21_212 | 21_603 | 21_606 | 21_608 | 21_609))
        | (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => {
            Outcome::Misconfigured(named)
        }
        (status, _) if status.is_redirection() => Outcome::Misconfigured(named),
        (status, _) if status.is_client_error() => Outcome::Refused(named),
        _ => Outcome::Ambiguous(named),
    }
}

fn is_sid(sid: &str) -> bool {
    sid.len() == 34 && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `None` when it breaks off or is longer than any answer to be expected.
async fn read(mut response: Response, most: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return None;
        }
    }
    Some(body)
}
