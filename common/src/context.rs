//! What every line of code that serves one request may know about it: its id, its trace, its path.

use std::future::Future;

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The header that carries a request's id through all hops.
pub const REQUEST_ID: &str = "x-request-id";

/// Identity of one request while it is being served.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id in `X-Request-Id`: the caller's, if it is a sane one, else ours.
    pub request_id: String,
    /// W3C trace context: `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// The path without its query, for `instance` of a problem document.
    pub path: String,
}

impl RequestContext {
    /// Read the context that the caller sent, or begin one.
    pub fn from_headers(headers: &HeaderMap, path: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: text(REQUEST_ID)
                .filter(|id| is_sane(id))
                .map_or_else(new_request_id, str::to_owned),
            traceparent: text("traceparent")
                .filter(|t| is_traceparent(t))
                .map_or_else(new_trace, child_of),
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

    /// The id as a header value.
    pub fn request_id_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.request_id).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
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

fn new_request_id() -> String {
    Uuid::now_v7().to_string()
}

fn new_trace() -> String {
    format!("00-{:032x}-{}-01", Uuid::now_v7().as_u128(), new_span())
}

fn child_of(parent: &str) -> String {
    format!("{}-{}-{}", &parent[..35], new_span(), &parent[53..])
}

fn new_span() -> String {
    // The low half of a v4 UUID is random but for two fixed bits.
    format!("{:016x}", Uuid::new_v4().as_u64_pair().1)
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
        assert_eq!(context(REQUEST_ID, "abc-123.DEF").request_id, "abc-123.DEF");
        for bad in ["", "short", "two words here", "semi;colon;here", "a\"quote\"in"] {
            assert_ne!(context(REQUEST_ID, bad).request_id, bad, "{bad:?} must not pass");
        }
    }

    #[test]
    fn the_trace_goes_on_with_a_new_span() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let ours = context("traceparent", sent).traceparent;
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
    }
}
