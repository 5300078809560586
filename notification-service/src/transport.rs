//! Handing messages to those who deliver them.

mod file;
mod mime;
mod sendgrid;
mod smtp;
mod twilio;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use common::config::HttpClientSettings;
use common::http;
use common::ids::NotificationId;
use lettre::Address;
use reqwest::Response;

use crate::config::{EmailTransport, Settings, SmsTransport};
use crate::domain::outcome::Outcome;
use crate::domain::wording::Mail;

use file::{MailFolder, SmsFolder};
use sendgrid::SendGrid;
use smtp::Smtp;
use twilio::Twilio;

const CONNECT_MS: u64 = 5_000;
const TOTAL_MS: u64 = 15_000;
/// However long a provider asks to be left alone.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// Which try of which notification this is; travels with the message, so that reports find their way back.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    pub id: NotificationId,
    pub attempt: u32,
    pub template: &'static str,
    pub now: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// How e-mail leaves.
pub enum Email {
    SendGrid(SendGrid),
    Smtp(Smtp),
    File(MailFolder),
}

/// How SMS leave.
pub enum Sms {
    Twilio(Box<Twilio>),
    File(SmsFolder),
}

/// What a provider says of a message whose fate is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// It has it, under this id.
    Found(String),
    /// It never had it.
    Absent,
    Unknown,
}

impl Email {
    /// # Errors
    /// When the settings of the chosen transport are incomplete or unsafe.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        let from: Address = settings
            .email
            .from
            .parse()
            .context("email.from is not an address")?;
        Ok(match settings.email.transport {
            EmailTransport::SendGrid => Self::SendGrid(SendGrid::new(&settings.sendgrid, from, client()?)?),
            EmailTransport::Smtp => Self::Smtp(Smtp::new(&settings.smtp, from)?),
            EmailTransport::File => Self::File(MailFolder::new(&settings.mail.dir, from)?),
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::SendGrid(_) => "sendgrid",
            Self::Smtp(_) => "smtp",
            Self::File(_) => "file",
        }
    }

    pub async fn send(&self, ticket: Ticket, to: (&str, &str), mail: &Mail) -> Outcome {
        match self {
            Self::SendGrid(sendgrid) => sendgrid.send(ticket, to, mail).await,
            Self::Smtp(smtp) => smtp.send(ticket, to, mail).await,
            Self::File(folder) => folder.send(ticket, to, mail).await,
        }
    }
}

impl Sms {
    /// # Errors
    /// When the settings of the chosen transport are incomplete.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        Ok(match settings.sms.transport {
            SmsTransport::Twilio => Self::Twilio(Box::new(Twilio::new(settings, client()?)?)),
            SmsTransport::File => Self::File(SmsFolder::new(&settings.sms.dir)?),
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
            Self::File(_) => "file",
        }
    }

    pub async fn send(&self, ticket: Ticket, to: &str, body: &str) -> Outcome {
        match self {
            Self::Twilio(twilio) => twilio.send(ticket, to, body).await,
            Self::File(folder) => folder.send(ticket, to, body).await,
        }
    }
}

impl Sms {
    /// The ids of messages with these words that the provider took for `to` since then; `None` if it cannot say.
    pub async fn sent_since(&self, to: &str, body: &str, since: DateTime<Utc>) -> Option<Vec<String>> {
        match self {
            Self::Twilio(twilio) => twilio.sent_since(to, body, since).await,
            Self::File(_) => None,
        }
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    http::client(&HttpClientSettings {
        connect_timeout_ms: CONNECT_MS,
        timeout_ms: TOTAL_MS,
    })
}

/// What a call means that got no answer.
fn no_answer(provider: &str, error: &reqwest::Error) -> Outcome {
    if error.is_connect() {
        Outcome::NotTaken {
            code: format!("{provider}-unreachable"),
            wait: None,
        }
    } else if error.is_builder() {
        Outcome::Refused(format!("{provider}-request"))
    } else {
        Outcome::Ambiguous(format!("{provider}-no-answer"))
    }
}

/// How long the provider asks to be left alone, by `Retry-After` or `X-RateLimit-Reset`.
fn asked_wait(response: &Response, now: DateTime<Utc>) -> Option<TimeDelta> {
    let number = |name: &str| {
        response
            .headers()
            .get(name)?
            .to_str()
            .ok()?
            .trim()
            .parse::<i64>()
            .ok()
    };
    let wait = number("retry-after").or_else(|| Some(number("x-ratelimit-reset")? - now.timestamp()))?;
    Some(TimeDelta::seconds(wait.clamp(0, LONGEST_WAIT.num_seconds())))
}
