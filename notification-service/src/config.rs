use std::path::PathBuf;

use common::config;
use common::mysql::MySqlSettings;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::domain::texts::Messages;

/// The embedded defaults.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub mysql: MySqlSettings,
    pub events: EventSettings,
    pub public: PublicSettings,
    pub messages: Messages,
    pub email: EmailSettings,
    pub mail: MailSettings,
    pub sendgrid: SendGridSettings,
    pub smtp: SmtpSettings,
    pub sms: SmsSettings,
    pub twilio: TwilioSettings,
    pub sending: SendingSettings,
    pub reminders: ReminderSettings,
    pub retention: RetentionSettings,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EventSettings {
    pub prefetch: u16,
    pub delivery_limit: i32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PublicSettings {
    pub base_url: Url,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EmailSettings {
    pub transport: EmailTransport,
    pub from: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailTransport {
    SendGrid,
    Smtp,
    File,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MailSettings {
    pub dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SendGridSettings {
    pub api_key: Option<SecretString>,
    pub base_url: Url,
    pub webhook_public_key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SmtpSettings {
    pub url: Option<SecretString>,
    pub timeout_s: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SmsSettings {
    pub transport: SmsTransport,
    pub dir: PathBuf,
    pub allowed_prefixes: Vec<String>,
    pub daily_limit_per_user: u32,
    pub daily_limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsTransport {
    Twilio,
    File,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TwilioSettings {
    pub account_sid: Option<String>,
    pub auth_token: Option<SecretString>,
    pub api_key: Option<String>,
    pub api_secret: Option<SecretString>,
    pub from: Option<String>,
    pub base_url: Url,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SendingSettings {
    pub batch: u32,
    pub poll_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ReminderSettings {
    pub offsets_min: Vec<u32>,
    pub poll_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RetentionSettings {
    pub inbox_days: u32,
    pub words_days: u32,
}

impl config::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        safe_base(&self.sendgrid.base_url, "sendgrid.base_url")?;
        safe_base(&self.twilio.base_url, "twilio.base_url")?;
        self.messages.check()?;
        if self.email.from.parse::<lettre::Address>().is_err() {
            return Err("email.from is not an address".to_owned());
        }
        if self.sending.batch == 0 || self.events.prefetch == 0 {
            return Err("sending.batch and events.prefetch must be at least 1".to_owned());
        }
        if self.events.delivery_limit < 1 {
            return Err("events.delivery_limit must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// Credentials and messages go only over TLS, or to this machine.
fn safe_base(url: &Url, key: &str) -> Result<(), String> {
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)) {
        return Ok(());
    }
    Err(format!("{key} must be https, or http on this machine"))
}

/// The host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &str = "mysql: {url: 'mysql://x@localhost/x'}";

    fn settings(more: &str) -> anyhow::Result<()> {
        config::from_yaml::<Settings>("notification-service", &[DEFAULTS, NEEDED, more]).map(drop)
    }

    #[test]
    fn the_defaults_hold_together() {
        settings("").unwrap();
    }

    #[test]
    fn a_provider_is_reached_over_tls_or_on_this_machine() {
        settings("twilio: {base_url: 'http://127.0.0.1:9'}").unwrap();
        for bad in [
            "twilio: {base_url: 'http://api.twilio.com'}",
            "sendgrid: {base_url: 'ftp://localhost'}",
        ] {
            assert!(settings(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "messages: {reset_link: '{base}'}",
            "sending: {batch: 0}",
            "email: {transport: pigeon}",
            "email: {from: nobody}",
            "messages: {clinic: \"a\\nb\"}",
            "messages: {greeting: 'Hello {surname},'}",
            "messages: {templates: {record_created: {text: 'It is about {diagnosis}.'}}}",
            "messages: {templates: {record_created: {sms: 'On {start}.'}}}",
            "messages: {templates: {record_created: {subject: \"a\\r\\nBcc: b\"}}}",
            "messages: {templates: {record_created: {text: ''}}}",
            "messages: {templates: {record_created: {html: '<b>'}}}",
            "messages: {templates: {record_created: null}}",
            "messages: {templates: {record_deleted: {subject: a, text: b, sms: c}}}",
            "messages: {templates: {message: {subject: a, text: b, sms: c}}}",
        ] {
            assert!(settings(bad).is_err(), "{bad}");
        }
    }
}
