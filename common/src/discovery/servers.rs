//! Talking to the registry's servers: the one that answered last is asked first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use http::{StatusCode, header};
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};

use super::settings::DiscoverySettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The registry's servers, all said to hold the same.
#[derive(Debug)]
pub(super) struct Servers {
    http: Client,
    list: Vec<Server>,
    current: AtomicUsize,
}

/// One server with the credential for it.
#[derive(Debug)]
struct Server {
    base: Url,
    name: String,
    password: SecretString,
}

/// No server gave an answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("{0}")]
    Transport(#[from] reqwest::Error),
    #[error("the registry answered {0}")]
    Refused(StatusCode),
    #[error("the registry's answer is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

impl Servers {
    pub(super) fn from_settings(settings: &DiscoverySettings) -> anyhow::Result<Option<Self>> {
        let Some(urls) = &settings.url else {
            return Ok(None);
        };
        let texts = urls
            .expose_secret()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let list = texts.map(Server::parse).collect::<anyhow::Result<Vec<_>>>()?;
        if list.is_empty() {
            return Ok(None);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "common::http finds its addresses by way of this module"
        )]
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("HTTP client for the registry")?;
        Ok(Some(Self {
            http,
            list,
            current: AtomicUsize::new(0),
        }))
    }

    pub(super) async fn get(&self, path: &str, patience: Duration) -> Result<Response, Silence> {
        self.ask(
            |http, url| {
                http.get(url)
                    .header(header::ACCEPT, "application/json")
                    .timeout(ANSWER_TIMEOUT + patience)
            },
            path,
        )
        .await
    }

    pub(super) async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Response, Silence> {
        self.ask(
            |http, url| http.post(url).json(body).timeout(ANSWER_TIMEOUT),
            path,
        )
        .await
    }

    pub(super) async fn put(&self, path: &str) -> Result<Response, Silence> {
        self.ask(|http, url| http.put(url).timeout(ANSWER_TIMEOUT), path)
            .await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Response, Silence> {
        self.ask(|http, url| http.delete(url).timeout(ANSWER_TIMEOUT), path)
            .await
    }

    /// The first answer that is not a server's own trouble.
    async fn ask<F>(&self, request: F, path: &str) -> Result<Response, Silence>
    where
        F: Fn(&Client, Url) -> RequestBuilder,
    {
        let first = self.current.load(Ordering::Relaxed);
        let mut last = Silence::Refused(StatusCode::SERVICE_UNAVAILABLE);
        for index in (0..self.list.len()).map(|offset| (first + offset) % self.list.len()) {
            let server = &self.list[index];
            let request = request(&self.http, server.url(path));
            match request
                .basic_auth(&server.name, Some(server.password.expose_secret()))
                .send()
                .await
            {
                Ok(answer) if answer.status().is_server_error() => last = Silence::Refused(answer.status()),
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => last = Silence::Transport(error.without_url()),
            }
        }
        Err(last)
    }
}

impl Server {
    fn parse(text: &str) -> anyhow::Result<Self> {
        // The text holds a password: it must not be part of the error.
        let mut base = Url::parse(text).context("the registry's URL cannot be parsed")?;
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https"),
            "the registry's URL is not http or https"
        );
        anyhow::ensure!(base.has_host(), "the registry's URL names no host");
        let decode = |text: &str| {
            // Form decoding turns `+` into a blank, which a password in a URL does not mean.
            let pairs = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pairs.as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
        };
        let name = decode(base.username()).unwrap_or_default();
        let password = base.password().and_then(decode).unwrap_or_default().into();
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        anyhow::ensure!(cleared.is_ok(), "the registry's URL cannot carry a credential");
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, name, password })
    }

    fn url(&self, path: &str) -> Url {
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url.set_query(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_leaves_the_url() {
        let server = Server::parse("http://user-service:a%2Bb+c@127.0.0.1:8761/eureka").unwrap();
        assert_eq!(server.name, "user-service");
        assert_eq!(server.password.expose_secret(), "a+b+c");
        assert_eq!(
            server.url("apps/A B/x:y?status=UP").as_str(),
            "http://127.0.0.1:8761/eureka/apps/A%20B/x:y?status=UP"
        );
        assert!(!format!("{server:?}").contains("a+b+c"));
    }

    #[test]
    fn a_broken_url_is_refused_without_repeating_it() {
        for bad in ["", "nonsense:hunter2", "ftp://a:hunter2@b/", "http://a:hunter2@/"] {
            let error = Server::parse(bad).unwrap_err();
            assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
        }
    }
}
