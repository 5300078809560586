use std::time::Duration;

use anyhow::{Context, ensure};
use lettre::transport::smtp::Error;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use url::Url;

use super::{Ticket, mime};
use crate::config::{SmtpSettings, is_loopback};
use crate::domain::outcome::Outcome;
use crate::domain::wording::Mail;

pub struct Smtp {
    relay: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
}

impl Smtp {
    pub(super) fn new(settings: &SmtpSettings, from: Address) -> anyhow::Result<Self> {
        let text = settings
            .url
            .as_ref()
            .context("SMTP_URL is not set")?
            .expose_secret();
        // The error would quote the URL with its password.
        let url: Url = text.parse().ok().context("SMTP_URL is not a URL")?;
        ensure!(
            is_private(&url),
            "SMTP_URL must begin with smtps:// or end in ?tls=required; without TLS only to this machine"
        );
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(text)
            .ok()
            .context("SMTP_URL cannot be used")?;
        let relay = builder
            .timeout(Some(Duration::from_secs(settings.timeout_s)))
            .build();
        Ok(Self { relay, from })
    }

    pub(super) async fn send(&self, ticket: Ticket, to: (&str, &str), mail: &Mail) -> Outcome {
        let Some(message) = mime::build(&self.from, ticket, to, mail) else {
            return Outcome::Refused("unusable-address".to_owned());
        };
        match self.relay.send(message).await {
            Ok(_) => Outcome::Accepted(Some(ticket.id.to_string())),
            Err(error) => judge(&error),
        }
    }
}

/// TLS that a man in the middle cannot strip, or no network at all.
fn is_private(url: &Url) -> bool {
    let required = url
        .query_pairs()
        .any(|(name, value)| name == "tls" && value == "required");
    match url.scheme() {
        "smtps" => true,
        "smtp" => required || is_loopback(url) || url.host_str().is_some_and(is_local_name),
        _ => false,
    }
}

/// Hosts of schemes that URLs do not know as special are not parsed as addresses.
fn is_local_name(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What the relay's answer means. Its words stay out: they may quote the recipient.
fn judge(error: &Error) -> Outcome {
    let code = error
        .status()
        .map_or_else(|| "smtp".to_owned(), |code| format!("smtp-{code}"));
    match code.as_str() {
        "smtp-530" | "smtp-534" | "smtp-535" | "smtp-538" => return Outcome::Misconfigured(code),
        _ => {}
    }
    // lettre has no predicate for a connection that was never made; it is the one kind safe to repeat.
    let unconnected = error.to_string().starts_with("Connection error");
    if error.is_permanent() {
        Outcome::Refused(code)
    } else if error.is_transient() || unconnected || error.is_tls() || error.is_transport_shutdown() {
        Outcome::NotTaken { code, wait: None }
    } else if error.is_client() {
        Outcome::Misconfigured("smtp-client".to_owned())
    } else {
        Outcome::Ambiguous("smtp-no-answer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_elsewhere_is_spoken_to_over_tls_only() {
        let private = |url: &str| is_private(&url.parse().unwrap());
        assert!(private("smtps://mail.example.org"));
        assert!(private("smtp://mail.example.org:587?tls=required"));
        assert!(private("smtp://127.0.0.1:2525") && private("smtp://localhost"));
        assert!(!private("smtp://mail.example.org"));
        assert!(!private("smtp://mail.example.org:587?tls=opportunistic"));
        assert!(!private("http://localhost"));
    }
}
