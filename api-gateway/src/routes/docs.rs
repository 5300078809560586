use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

const OPENAPI: &str = include_str!("../../openapi.json");
const PAGE: &str = include_str!("docs.html");
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The page's own script and style, known by their hashes, and calls to this gateway: nothing else.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash_of("script")?,
        hash_of("style")?
    );
    HeaderValue::from_str(&policy).ok()
});

/// The description of the whole API.
pub(super) async fn openapi() -> Response {
    let mut response = OPENAPI.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED);
    response
}

/// The same, to read and try. All that the page needs is in it: it works without a network.
pub(super) async fn page() -> Response {
    let mut response = Html(PAGE).into_response();
    if let Some(policy) = &*POLICY {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED);
    response
}

/// The source expression that allows the page's one element `name`.
fn hash_of(name: &str) -> Option<String> {
    let (_, after) = PAGE.split_once(&format!("<{name}>"))?;
    let (content, _) = after.split_once(&format!("</{name}>"))?;
    Some(format!("sha256-{}", STANDARD.encode(Sha256::digest(content))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_page_itself_and_no_other_source() {
        let policy = POLICY.clone().expect("a policy");
        let policy = policy.to_str().expect("text");
        assert!(policy.contains("script-src 'sha256-") && policy.contains("style-src 'sha256-"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
    }

    #[test]
    fn the_page_fetches_nothing_from_elsewhere() {
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("//cdn"));
    }

    #[test]
    fn the_description_is_json() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
    }
}
