//! Which headers cross the edge. Identity is the token's alone: no header that claims one comes in.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Meaningful between two neighbours only (RFC 9110 §7.6.1), whoever sends them.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names by which some server or proxy lets a header say who is calling, from where, or what was asked.
const CLAIMS: [&str; 14] = [
    "cf-connecting-ip",
    "cookie",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-method-override",
    "x-real-ip",
    "x-remote-user",
    "x-role",
    "x-roles",
];

const CLAIM_PREFIXES: [&str; 11] = [
    "x-auth",
    "x-consumer",
    "x-credential",
    "x-forwarded",
    "x-http-method",
    "x-internal",
    "x-original",
    "x-request-user",
    "x-rewrite",
    "x-service",
    "x-user",
];

/// What a service says about itself or the browser's rules, which are the gateway's to say.
const SERVER_TALK: [&str; 4] = ["server", "set-cookie", "via", "x-powered-by"];

/// Headers that `Connection` may not take away: with them it could undo a check that was just made.
const PROTECTED: [&str; 8] = [
    "authorization",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "traceparent",
    "x-break-glass",
    "x-request-id",
];

/// `Connection` names a header that must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The Connection header names a header that cannot be left out.")]
pub struct ProtectedHeader;

/// Take out of a request whatever must not reach a service.
///
/// # Errors
/// `Connection` names a protected header.
pub fn strip_request(headers: &mut HeaderMap) -> Result<(), ProtectedHeader> {
    let named = named_by_connection(headers);
    if named.iter().any(|name| is_protected(name)) {
        return Err(ProtectedHeader);
    }
    remove(headers, |name| {
        is_claim(name) || named.iter().any(|named| named == name)
    });
    Ok(())
}

/// Take out of an answer whatever is nobody's business outside.
pub fn strip_response(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    remove(headers, |name| {
        SERVER_TALK.contains(&name)
            || name.starts_with("access-control-")
            || is_claim(name)
            || named.iter().any(|named| named == name)
    });
}

/// Give an answer the headers that every answer has (G14), unless the service chose otherwise.
pub fn secure(headers: &mut HeaderMap) {
    let defaults = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=63072000; includeSubDomains",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Lower-cased header names in `Connection`, without those that are taken out anyway.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    if !headers.contains_key(header::CONNECTION) {
        return Vec::new();
    }
    let values = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|token| token.trim().to_ascii_lowercase())
        .filter(|token| !token.is_empty() && token != "close" && !HOP_BY_HOP.contains(&token.as_str()))
        .collect()
}

fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name) || is_claim(name)
}

fn is_claim(name: &str) -> bool {
    // An underscore would become a hyphen in any server that passes headers on as variables.
    name.contains('_')
        || HOP_BY_HOP.contains(&name)
        || CLAIMS.contains(&name)
        || (name.starts_with("x-") && CLAIM_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

fn remove(headers: &mut HeaderMap, doomed: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| doomed(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().expect("a header name");
            (name, HeaderValue::from_str(value).expect("a header value"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn no_claim_of_an_identity_comes_in() {
        let spellings = [
            "X-User-Id",
            "x-user-id",
            "X-USER-ID",
            "X_User_Id",
            "x_user_id",
            "X-User_Id",
            "X-User",
            "X-UserId",
            "X-User-Role",
            "X-User-Roles",
            "X-User-Email",
            "X-Roles",
            "x-role",
            "X_Roles",
            "X-Internal",
            "X-Internal-Token",
            "X-Internal-User",
            "X_Internal_Token",
            "X-Service",
            "X-Service-Name",
            "X-Service-Token",
            "X-Request-User",
            "X_Request_User",
            "X-Auth-User",
            "X-Authenticated-Userid",
            "X-Auth-Request-Email",
            "X-Remote-User",
            "Remote-User",
            "Remote_User",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded",
            "Forwarded",
            "X-Real-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Client-IP",
            "X-Cluster-Client-Ip",
            "X-Consumer-Id",
            "X-Credential-Identifier",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "Cookie",
            "Via",
        ];
        for spelling in spellings {
            let mut map = headers(&[(spelling, "victim"), ("accept", "*/*"), (spelling, "again")]);
            strip_request(&mut map).expect("nothing protected is named");
            assert_eq!(map, headers(&[("accept", "*/*")]), "{spelling}");
        }
    }

    #[test]
    fn what_the_services_need_passes() {
        let needed = [
            ("authorization", "Bearer x"),
            ("idempotency-key", "k"),
            ("x-break-glass", "a long reason"),
            ("range", "bytes=0-1"),
            ("if-none-match", "\"e\""),
            ("content-type", "application/json"),
            ("content-length", "5"),
            ("x-twilio-signature", "s"),
            ("x-twilio-email-event-webhook-signature", "s"),
            ("x-request-id", "r"),
            ("user-agent", "curl"),
        ];
        let mut map = headers(&needed);
        strip_request(&mut map).expect("nothing protected is named");
        assert_eq!(map, headers(&needed));
    }

    #[test]
    fn connection_takes_ordinary_headers_away_but_no_protected_one() {
        let mut map = headers(&[
            ("connection", "close, X-Trace-Me , TE"),
            ("x-trace-me", "1"),
            ("te", "trailers"),
        ]);
        strip_request(&mut map).expect("nothing protected is named");
        assert!(map.is_empty(), "{map:?}");
        for name in [
            "Authorization",
            "X-User-Id",
            "x-request-id",
            "Content-Length",
            "x_user_id",
            "Host",
        ] {
            let mut map = headers(&[("connection", "keep-alive"), ("connection", name)]);
            assert_eq!(strip_request(&mut map), Err(ProtectedHeader), "{name}");
        }
    }

    #[test]
    fn answers_say_nothing_of_the_server_behind() {
        let mut map = headers(&[
            ("server", "hidden/1.0"),
            ("x-powered-by", "hidden"),
            ("connection", "x-debug"),
            ("x-debug", "1"),
            ("keep-alive", "timeout=5"),
            ("access-control-allow-origin", "*"),
            ("x-internal-node", "a"),
            ("etag", "\"e\""),
        ]);
        strip_response(&mut map);
        assert_eq!(map, headers(&[("etag", "\"e\"")]));
    }

    #[test]
    fn every_answer_is_hardened_and_a_service_may_choose_its_caching() {
        let mut map = headers(&[("cache-control", "public, max-age=60")]);
        secure(&mut map);
        assert_eq!(map[header::CACHE_CONTROL], "public, max-age=60");
        assert_eq!(map[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(map.len(), 6);
        let mut empty = HeaderMap::new();
        secure(&mut empty);
        assert_eq!(empty[header::CACHE_CONTROL], "no-store");
    }
}
