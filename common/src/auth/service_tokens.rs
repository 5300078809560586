use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::http::Client;

/// Body of `POST /internal/token`: OAuth 2.0 client credentials, in JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTokenRequest {
    /// The service that is to be called.
    pub audience: String,
}

/// Answer of `POST /internal/token`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceToken {
    /// A JWT that names the caller and the callee.
    pub access_token: String,
    /// Seconds until it is worth nothing.
    pub expires_in: u64,
}

/// Gets tokens that say which service calls, and keeps them for most of their life.
#[derive(Clone)]
pub struct ServiceTokens(Arc<Inner>);

struct Inner {
    source: Source,
    held: Mutex<HashMap<String, (Arc<str>, Instant)>>,
}

enum Source {
    Issuer {
        client: Client,
        issuer: Url,
        name: &'static str,
        secret: SecretString,
    },
    Fixed(Arc<str>),
}

impl ServiceTokens {
    /// Tokens from user-service at its pinned address, against the service's own `secret`.
    pub fn from_issuer(client: Client, issuer: Url, name: &'static str, secret: SecretString) -> Self {
        Self::new(Source::Issuer {
            client,
            issuer,
            name,
            secret,
        })
    }

    /// The same `token` for every callee: for tests.
    pub fn fixed(token: &str) -> Self {
        Self::new(Source::Fixed(token.into()))
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            held: Mutex::default(),
        }))
    }

    /// A token with which `audience` may be called now.
    pub async fn for_service(&self, audience: &str) -> Result<Arc<str>, reqwest::Error> {
        let Source::Issuer {
            client,
            issuer,
            name,
            secret,
        } = &self.0.source
        else {
            return Ok(self.fixed_token());
        };
        // Held across the call: ten requests that need a token ask for one.
        let mut held = self.0.held.lock().await;
        if let Some((token, until)) = held.get(audience)
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let mut url = issuer.clone();
        url.set_path("/internal/token");
        let answer: ServiceToken = client
            .post(url)
            .basic_auth(name, Some(secret.expose_secret()))
            .json(&ServiceTokenRequest {
                audience: audience.to_owned(),
            })
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let token: Arc<str> = answer.access_token.into();
        // Renewed after two thirds of its life, so that none expires on the way.
        let until = Instant::now() + Duration::from_secs(answer.expires_in * 2 / 3);
        held.insert(audience.to_owned(), (token.clone(), until));
        Ok(token)
    }

    fn fixed_token(&self) -> Arc<str> {
        match &self.0.source {
            Source::Fixed(token) => token.clone(),
            Source::Issuer { .. } => "".into(),
        }
    }

    /// Forget what is held for `audience`, after it was refused.
    pub async fn forget(&self, audience: &str) {
        self.0.held.lock().await.remove(audience);
    }
}
