use anyhow::Context;
use lettre::Address;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{Ticket, asked_wait, mime, no_answer};
use crate::config::SendGridSettings;
use crate::domain::outcome::Outcome;
use crate::domain::text::clean_name;
use crate::domain::wording::Mail;

pub struct SendGrid {
    client: Client,
    url: Url,
    key: SecretString,
    from: Address,
}

impl SendGrid {
    pub(super) fn new(settings: &SendGridSettings, from: Address, client: Client) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            url: settings.base_url.join("/v3/mail/send")?,
            key: settings.api_key.clone().context("SENDGRID_API_KEY is not set")?,
            from,
        })
    }

    pub(super) async fn send(&self, ticket: Ticket, to: (&str, &str), mail: &Mail) -> Outcome {
        let Ok(address) = to.0.parse::<Address>() else {
            return Outcome::Refused("unusable-address".to_owned());
        };
        let body = self.body(ticket, (address.as_ref(), to.1), mail);
        let request = self
            .client
            .post(self.url.clone())
            .bearer_auth(self.key.expose_secret())
            .json(&body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return no_answer("sendgrid", &error),
        };
        // The body of an answer is not read: all that is needed stands in status and headers.
        let code = format!("sendgrid-{}", response.status().as_u16());
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Outcome::NotTaken {
                code,
                wait: asked_wait(&response, ticket.now),
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Misconfigured(code),
            status if status.is_success() => {
                let id = response
                    .headers()
                    .get("x-message-id")
                    .and_then(|id| id.to_str().ok());
                Outcome::Accepted(id.map(|id| id.chars().take(128).collect()))
            }
            status if status.is_redirection() => Outcome::Misconfigured(code),
            status if status.is_client_error() => Outcome::Refused(code),
            _ => Outcome::Ambiguous(code),
        }
    }

    fn body(&self, ticket: Ticket, (address, name): (&str, &str), mail: &Mail) -> Value {
        let mut to = json!({ "email": address });
        let name = clean_name(name);
        if !name.is_empty() {
            to["name"] = json!(name);
        }
        json!({
            // One recipient each: those in one list see each other. Here and not above, where the provider's own
            // description wants a string, stand the arguments that come back with every report.
            "personalizations": [{
                "to": [to],
                "custom_args": { "notification_id": ticket.id, "attempt": ticket.attempt.to_string() },
            }],
            "from": { "email": self.from.to_string(), "name": mime::sender(&self.from, &mail.sender).name },
            "subject": mail.subject,
            "content": [
                { "type": "text/plain", "value": mail.text },
                { "type": "text/html", "value": mail.html },
            ],
            "headers": { "Message-ID": format!("<{}@{}>", ticket.id, self.from.domain()) },
            "tracking_settings": {
                "click_tracking": { "enable": false, "enable_text": false },
                "open_tracking": { "enable": false },
                "subscription_tracking": { "enable": false },
                "ganalytics": { "enable": false },
            },
        })
    }
}
