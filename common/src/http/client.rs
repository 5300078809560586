//! The bare client under every call: deadlines, and no redirects.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::watch;
use url::Url;

use crate::config::{CoreSettings, HttpClientSettings};

/// A bare client with fixed deadlines and no redirects: for the few addresses that are pinned by configuration.
pub fn client(settings: &HttpClientSettings) -> anyhow::Result<reqwest::Client> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
    let builder = reqwest::Client::builder();
    Ok(builder
        .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .timeout(Duration::from_millis(settings.timeout_ms))
        // Below the servers' keep-alive, so that no request meets a connection that is just being closed.
        .pool_idle_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?)
}

/// A bare client whose deadline for one call is what the settings say when the call is made.
#[derive(Clone)]
pub struct Client {
    bare: reqwest::Client,
    settings: watch::Receiver<Arc<CoreSettings>>,
}

impl Client {
    /// A client that follows the section `http_client`.
    ///
    /// # Errors
    /// The machine offers no source of randomness or certificates.
    pub fn new(settings: watch::Receiver<Arc<CoreSettings>>) -> anyhow::Result<Self> {
        let bare = client(&settings.borrow().http_client)?;
        Ok(Self { bare, settings })
    }

    /// `GET url`
    pub fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(Method::GET, url)
    }

    /// `POST url`
    pub fn post(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A request with the deadline of now.
    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> reqwest::RequestBuilder {
        let deadline = Duration::from_millis(self.settings.borrow().http_client.timeout_ms);
        self.bare.request(method, url).timeout(deadline)
    }
}
