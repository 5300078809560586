//! Who comes in by which path, and with which headers.

use common::auth::Role;
use common_testing::{As, Client};
use http::Method;

use crate::helpers::{Echo, Stage, seen};

const ID: &str = "0190c3a0-0000-7000-8000-000000000000";

#[tokio::test]
async fn public_paths_need_no_token_and_lead_to_their_service() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let paths = [
        "/register",
        "/login",
        "/token/refresh",
        "/password/forgot",
        "/password/reset",
        "/webhooks/twilio/status",
    ];
    for path in paths {
        let answer = stage
            .client
            .request(Method::POST, path, As::Anyone)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200);
    assert_eq!(echo.hits(), paths.len() + 1);
}

#[tokio::test]
async fn a_role_decides_before_anything_reaches_a_service() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let [admin, doctor, patient] = [Role::Admin, Role::Doctor, Role::Patient].map(|role| stage.token(role));
    let table = [
        ("GET", "/users".to_owned(), [200, 403, 403]),
        ("GET", "/users/me".to_owned(), [200, 200, 200]),
        ("GET", format!("/users/{ID}"), [200, 200, 200]),
        ("PUT", format!("/doctors/{ID}/verification"), [200, 403, 403]),
        ("PUT", format!("/doctors/{ID}/availability"), [200, 200, 403]),
        ("GET", "/audit".to_owned(), [200, 403, 403]),
        ("GET", format!("/doctors/{ID}/slots"), [200, 200, 200]),
        ("PUT", "/appointments/complete".to_owned(), [200, 200, 403]),
        ("POST", "/records".to_owned(), [403, 200, 200]),
        ("POST", "/notify".to_owned(), [200, 403, 403]),
        ("POST", format!("/notifications/{ID}/retry"), [200, 403, 403]),
    ];
    let mut expected_hits = 0;
    for (method, path, expected) in &table {
        let method: Method = method.parse().unwrap();
        for (token, status) in [&admin, &doctor, &patient].into_iter().zip(expected) {
            let answer = Client::send(stage.client.request(method.clone(), path, token)).await;
            assert_eq!(answer.status.as_u16(), *status, "{method} {path}");
            if *status == 403 {
                assert_eq!(answer.problem(403), "role-not-allowed");
            } else {
                expected_hits += 1;
            }
        }
        let anonymous = Client::send(stage.client.request(method.clone(), path, As::Anyone)).await;
        assert_eq!(anonymous.problem(401), "unauthorized", "{method} {path}");
        assert!(anonymous.headers.contains_key("www-authenticate"));
    }
    assert_eq!(echo.hits(), expected_hits);
}

#[tokio::test]
async fn paths_that_no_route_has_are_dead_whoever_asks() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let admin = stage.token(Role::Admin);
    let dead = [
        "/internal/users",
        "/internal/token",
        "/internal/revocations",
        "/internal",
        "/metrics",
        "/eureka/apps",
        "/eureka",
        "/user-service/default",
        "/user-service/login",
        "/config",
        "/debug",
        "/swagger",
        "/swagger-ui/index.html",
        "/v3/api-docs",
        "/.git/config",
        "/.env",
        "/server-status",
        "/jwks",
        "/admin",
        "/health",
        "/health/ready",
        "/login/",
        "/LOGIN",
        "/Login",
        "/login.",
        "/login.json",
        "/users/me/",
        "/users/me/x",
        "/webhooks/twilio",
        "/webhooks/twilio/other",
        "/records",
        "/appointmentscancel",
        "/doc",
        "/docs/",
        "/livez/",
        "/readyz/x",
        "/actuatorx",
    ];
    for path in dead {
        for who in [As::Anyone, As::Token(&admin)] {
            let answer = stage.client.get(path, who).await;
            let is_dead = answer.status == 404 || (path == "/records" && answer.status == 405);
            assert!(is_dead, "{path}: {}", answer.status);
        }
    }
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn path_tricks_lead_nowhere() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let admin = stage.token(Role::Admin);
    let tricks = [
        "/users/..%2f..%2factuator",
        "/users/../audit",
        "/./users",
        "//users",
        "/users//me",
        "/users;x=1",
        "/users/me;",
        "/users/%6de",
        "/%75sers",
        "/users%00",
        "/users%2fme",
        "/users/%2e%2e/audit",
        "/..;/users",
        "/users/me%20",
        "/users\\me",
        "/users/me%23",
        "/internal%2fusers",
        "/users/%252e%252e",
        "/users/..",
        "/users/.",
    ];
    for path in tricks {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {admin}\r\nX-Original-URL: /users\r\nX-Rewrite-URL: /users\r\nConnection: close\r\n\r\n"
        );
        let answer = stage.raw(head.as_bytes()).await;
        let refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 404");
        assert!(refused, "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_the_others() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Admin);
    let wrong = [
        ("DELETE", "/login", "POST"),
        ("GET", "/register", "POST"),
        ("OPTIONS", "/login", "POST"),
        ("TRACE", "/users/me", "GET, HEAD, PATCH"),
        ("DELETE", "/records", "POST"),
        ("PUT", "/users", "GET, HEAD, POST"),
        ("GET", "/webhooks/twilio/status", "POST"),
        ("FOO", "/login", "POST"),
        ("POST", "/", "GET,HEAD"),
    ];
    for (method, path, allow) in wrong {
        for who in [As::Anyone, As::Token(&token)] {
            let request = stage.client.request(method.parse().unwrap(), path, who);
            let answer = Client::send(request.header("x-http-method-override", "POST")).await;
            assert_eq!(answer.problem(405), "method-not-allowed", "{method} {path}");
            assert_eq!(answer.header("allow"), allow, "{method} {path}");
        }
    }
    assert_eq!(echo.hits(), 0);
}

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
