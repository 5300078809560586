//! What every line of code that serves one request may know about it: its id, its trace, its path.

use std::fmt;
use std::future::Future;

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;
use uuid::fmt::{Hyphenated, Simple};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The header that carries a request's id through all hops.
pub const REQUEST_ID: &str = "x-request-id";

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Identity of one request while it is being served.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id in `X-Request-Id`: the caller's, if it is a sane one, else ours.
    pub request_id: Mark,
    /// W3C trace context: `00-<trace id>-<span id>-<flags>`.
    pub traceparent: Mark,
    /// The path without its query, for `instance` of a problem document.
    pub path: String,
}

/// A text of visible ASCII, good for headers, logs and documents alike. Its copies share one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(HeaderValue);

impl Mark {
    /// `text`, which the caller knows to be visible ASCII.
    fn of(text: &[u8]) -> Self {
        Self(HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("invalid")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The text as a header's value.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RequestContext {
    /// Read the context that the caller sent, or begin one.
    pub fn from_headers(headers: &HeaderMap, path: &str) -> Self {
        let sent = |name: &str, is_good: fn(&str) -> bool| {
            let value = headers.get(name)?;
            value.to_str().is_ok_and(is_good).then(|| Mark(value.clone()))
        };
        Self {
            request_id: sent(REQUEST_ID, is_sane).unwrap_or_else(new_request_id),
            traceparent: sent(TRACEPARENT, is_traceparent)
                .map_or_else(new_trace, |parent| child_of(parent.as_str())),
            path: path.to_owned(),
        }
    }

    /// A context for work that no request asked for.
    pub fn background(name: &str) -> Self {
        Self {
            request_id: new_request_id(),
            traceparent: new_trace(),
            path: name.to_owned(),
        }
    }

    /// Run `work` with this context as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The context of the request that is being served, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

/// Printable ASCII without separators, at most 128 characters: safe in headers and log lines alike.
fn is_sane(id: &str) -> bool {
    (8..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_traceparent(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2]
        && text.starts_with("00-")
        && text
            .bytes()
            .all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && !text[3..35].bytes().all(|b| b == b'0')
        && !text[36..52].bytes().all(|b| b == b'0')
}

// One of each for every request: written into place rather than formatted.

fn new_request_id() -> Mark {
    let mut text = [0; Hyphenated::LENGTH];
    Mark::of(Uuid::now_v7().hyphenated().encode_lower(&mut text).as_bytes())
}

fn new_trace() -> Mark {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    Uuid::new_v4().simple().encode_lower(&mut text[3..35]);
    write_span(&mut text[36..52]);
    Mark::of(&text)
}

/// `parent` is well-formed.
fn child_of(parent: &str) -> Mark {
    let mut text = [b'0'; 55];
    text.copy_from_slice(parent.as_bytes());
    write_span(&mut text[36..52]);
    Mark::of(&text)
}

fn write_span(place: &mut [u8]) {
    let mut text = [0; Simple::LENGTH];
    Uuid::new_v4().simple().encode_lower(&mut text);
    // The last half of a random UUID is random but for two fixed bits.
    place.copy_from_slice(&text[16..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(name: &'static str, value: &'static str) -> RequestContext {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        RequestContext::from_headers(&headers, "/")
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        assert_eq!(
            context(REQUEST_ID, "abc-123.DEF").request_id.as_str(),
            "abc-123.DEF"
        );
        for bad in ["", "short", "two words here", "semi;colon;here", "a\"quote\"in"] {
            assert_ne!(
                context(REQUEST_ID, bad).request_id.as_str(),
                bad,
                "{bad:?} must not pass"
            );
        }
    }

    #[test]
    fn the_trace_goes_on_with_a_new_span() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let ours = context(TRACEPARENT, sent).traceparent;
        let ours = ours.as_str();
        assert_eq!(ours[..35], sent[..35]);
        assert_ne!(ours[36..52], sent[36..52]);
        assert_eq!(ours.len(), sent.len());
        for bad in [
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "é",
        ] {
            assert!(!is_traceparent(bad));
        }
        for _ in 0..50 {
            let (one, other) = (new_trace(), new_trace());
            assert!(is_traceparent(one.as_str()), "{one}");
            assert_ne!(one.as_str()[3..35], other.as_str()[3..35]);
        }
    }
}
