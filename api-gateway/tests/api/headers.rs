//! Which headers cross the edge, and which web pages may call.

use common::auth::Role;
use common_testing::{As, Client};
use http::Method;

use crate::helpers::{Echo, Stage, seen};

#[tokio::test]
async fn identity_is_the_tokens_alone() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Patient);
    let claims = [
        "X-User-Id",
        "x-user-id",
        "X_User_Id",
        "X-User-Role",
        "X-Roles",
        "X-Role",
        "X-Internal-Token",
        "X-Service-Name",
        "X-Request-User",
        "X-Auth-User",
        "Remote-User",
        "X-Remote-User",
        "X-Real-IP",
        "True-Client-IP",
        "Cookie",
        "X-Forwarded-User",
        "Forwarded",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "Proxy-Authorization",
        "TE",
    ];
    let mut request = stage.client.request(Method::GET, "/users/me", &token);
    for claim in claims {
        request = request.header(claim, "victim").header(claim, "victim-again");
    }
    let echoed = Client::send(request).await.expect(200).json();
    let arrived = echoed["headers"].to_string();
    assert!(!arrived.contains("victim"), "{arrived}");
    assert_eq!(seen(&echoed, "authorization"), [format!("Bearer {token}")]);
    assert_eq!(seen(&echoed, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen(&echoed, "host"), [echo.address.to_string()]);
}

#[tokio::test]
async fn the_connection_header_cannot_take_the_token_away() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Patient);
    for named in [
        "close, Authorization",
        "X-User-Id",
        "close, Authorization, X-User-Id",
        "x-request-id",
    ] {
        let request = stage
            .client
            .request(Method::GET, "/users/me", &token)
            .header("connection", named);
        assert_eq!(
            Client::send(request).await.problem(400),
            "malformed-request",
            "{named}"
        );
    }
    assert_eq!(echo.hits(), 0);
    let ordinary = stage.client.request(Method::GET, "/users/me", &token);
    let ordinary = ordinary
        .header("connection", "keep-alive, X-Hop")
        .header("x-hop", "1");
    let echoed = Client::send(ordinary).await.expect(200).json();
    assert!(seen(&echoed, "x-hop").is_empty());
}

#[tokio::test]
async fn the_client_address_is_believed_from_trusted_proxies_only() {
    let echo = Echo::start().await;
    let forwarded = |stage: &Stage, value: &'static str| {
        let request = stage
            .client
            .request(Method::GET, "/.well-known/jwks.json", As::Anyone);
        Client::send(
            request
                .header("x-forwarded-for", value)
                .header("x-forwarded-proto", "https"),
        )
    };
    let distrustful = Stage::before(&echo);
    let echoed = forwarded(&distrustful, "9.9.9.9").await.expect(200).json();
    assert_eq!(seen(&echoed, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen(&echoed, "x-forwarded-proto"), ["http"]);
    let trusting = Stage::at(&[echo.address], "{gateway: {trusted_proxies: ['127.0.0.0/8']}}");
    let echoed = forwarded(&trusting, "6.6.6.6, 9.9.9.9").await.expect(200).json();
    assert_eq!(seen(&echoed, "x-forwarded-for"), ["9.9.9.9"]);
    assert_eq!(seen(&echoed, "x-forwarded-proto"), ["https"]);
    let unreadable = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: \xff\r\nConnection: close\r\n\r\n";
    let echoed = trusting.raw(unreadable).await;
    assert!(
        echoed.contains(r#"["x-forwarded-for","127.0.0.1"]"#),
        "what stands before it was not written by the proxy: {echoed}"
    );
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_browser() {
    let echo = Echo::start().await;
    let stage = Stage::at(
        &[echo.address],
        "{gateway: {cors_origins: ['https://good.example']}}",
    );
    let preflight = |origin: &'static str| {
        let request = stage
            .client
            .request(Method::OPTIONS, "/login", As::Anyone)
            .header("origin", origin);
        Client::send(request.header("access-control-request-method", "POST"))
    };
    let good = preflight("https://good.example").await.expect(204);
    assert_eq!(good.header("access-control-allow-origin"), "https://good.example");
    assert_eq!(good.header("access-control-allow-methods"), "POST");
    assert!(!good.headers.contains_key("access-control-allow-credentials"));
    for origin in [
        "https://evil.example",
        "null",
        "https://good.example.evil",
        "https://goodXexample",
        "http://good.example",
    ] {
        assert!(
            !preflight(origin)
                .await
                .expect(405)
                .headers
                .contains_key("access-control-allow-origin"),
            "{origin}"
        );
        let request = stage
            .client
            .request(Method::GET, "/.well-known/jwks.json", As::Anyone)
            .header("origin", origin);
        assert!(
            !Client::send(request)
                .await
                .expect(200)
                .headers
                .contains_key("access-control-allow-origin")
        );
    }
    assert_eq!(echo.hits(), 5, "no preflight is passed on");
    let request = stage
        .client
        .request(Method::GET, "/users/me", As::Anyone)
        .header("origin", "https://good.example");
    let refused = Client::send(request).await.expect(401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://good.example",
        "a page may read a refusal"
    );
}

#[tokio::test]
async fn answers_vary_by_origin_wherever_one_is_listed() {
    let echo = Echo::start().await;
    let open = Stage::at(
        &[echo.address],
        "{gateway: {cors_origins: ['https://good.example']}}",
    );
    for path in ["/.well-known/jwks.json", "/nowhere", "/"] {
        let answer = open.client.get(path, As::Anyone).await;
        assert_eq!(answer.header("vary"), "Origin", "{path}");
    }
    let closed = Stage::before(&echo);
    let answer = closed.client.get("/nowhere", As::Anyone).await;
    assert!(!answer.headers.contains_key("vary"));
}
