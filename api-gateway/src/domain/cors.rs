//! Which web pages may call from a browser: those whose origin is listed, letter by letter.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

const EXPOSED: &str = "Location, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Request-Id, Idempotency-Replayed, ETag";
const ACCEPTED: &str =
    "Authorization, Content-Type, Idempotency-Key, X-Break-Glass, X-Request-Id, Range, If-None-Match";

/// The origins that may call.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

/// An origin that a browser would never send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://app.example")]
pub struct BadOrigin(String);

impl Cors {
    /// Allow exactly these.
    ///
    /// # Errors
    /// One of them is not an origin; a wildcard is none.
    pub fn new(origins: &[String]) -> Result<Self, BadOrigin> {
        let parse = |origin: &String| {
            let rest = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let sound = rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '@', ' ']));
            let value = HeaderValue::from_str(origin).ok().filter(|_| sound);
            value.ok_or_else(|| BadOrigin(origin.clone()))
        };
        Ok(Self {
            origins: origins.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// The request's origin, if it may call.
    pub fn listed(&self, request: &HeaderMap) -> Option<&HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = request.get(header::ORIGIN)?;
        self.origins.iter().find(|listed| *listed == origin)
    }

    /// Whether a browser asks for permission, rather than for the thing itself.
    pub fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
        *method == Method::OPTIONS
            && request.contains_key(header::ORIGIN)
            && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Let the page at `origin` read the answer.
    pub fn admit(origin: &HeaderValue, answer: &mut HeaderMap) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }

    /// Tell caches that answers differ by origin, also those without a listed one: a copy of one of these must not
    /// be given to a page that may read it.
    pub fn vary(&self, answer: &mut HeaderMap) {
        if !self.origins.is_empty() {
            answer.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }

    /// The answer to a preflight: what `origin` may send with these methods.
    pub fn permit(origin: &HeaderValue, allow: &str) -> http::Response<()> {
        let mut answer = http::Response::new(());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        Self::admit(origin, headers);
        if let Ok(methods) = HeaderValue::from_str(allow) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(ACCEPTED),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn only_a_listed_origin_is_admitted() {
        let cors = Cors::new(&["https://good.example".to_owned()]).expect("an origin");
        assert!(cors.listed(&from("https://good.example")).is_some());
        let strangers = [
            "https://evil.example",
            "null",
            "https://good.example.evil",
            "https://goodXexample",
            "http://good.example",
            "https://good.example:8443",
            "https://GOOD.example",
            "https://good.example/",
        ];
        for stranger in strangers {
            assert!(cors.listed(&from(stranger)).is_none(), "{stranger}");
        }
        assert!(Cors::default().listed(&from("https://good.example")).is_none());
    }

    #[test]
    fn a_wildcard_or_a_path_cannot_be_listed() {
        for bad in [
            "*",
            "https://*.example",
            "https://a/b",
            "null",
            "https://",
            "https://u@a",
            "",
        ] {
            assert!(Cors::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_preflight_is_told_the_methods_and_never_allows_credentials() {
        let answer = Cors::permit(&HeaderValue::from_static("https://a"), "GET, HEAD");
        assert_eq!(
            answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS],
            "GET, HEAD"
        );
        assert!(
            !answer
                .headers()
                .contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS)
        );
    }
}
