//! Who comes in by which path.

use common::auth::Role;
use common_testing::{As, Client};
use http::Method;

use crate::helpers::{Echo, Stage};

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

/// What other systems have at an address like these.
const NOWHERE: [&str; 12] = [
    "/internal/users",
    "/metrics",
    "/eureka/apps",
    "/user-service/default",
    "/debug",
    "/v3/api-docs",
    "/.git/config",
    "/.env",
    "/server-status",
    "/jwks",
    "/admin",
    "/health/ready",
];

#[tokio::test]
async fn paths_that_no_route_has_are_dead_whoever_asks() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let admin = stage.token(Role::Admin);
    let dead = [
        "/internal/token",
        "/internal/revocations",
        "/internal",
        "/eureka",
        "/user-service/login",
        "/config",
        "/swagger",
        "/swagger-ui/index.html",
        "/health",
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
    for path in NOWHERE.into_iter().chain(dead) {
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

/// The same path in the spellings that lead some other server there.
fn spellings(path: &str) -> Vec<String> {
    let (parent, last) = path.rsplit_once('/').unwrap();
    vec![
        format!("{path};"),
        format!("{path};x=1"),
        format!("/;{path}"),
        format!("/{path}"),
        format!("{parent}//{last}"),
        format!("{parent}%2f{last}"),
        format!("{parent}/%2e/{last}"),
        format!("/login/..{path}"),
        format!("/login/..;{path}"),
        format!("/login/%2e%2e{path}"),
        format!("{path}/.."),
        format!("{path}."),
        format!("{path}%20"),
        format!("{path}%00"),
        format!("{path}.json"),
        format!(
            "{parent}/{}",
            last.to_uppercase().replace(|c: char| !c.is_alphanumeric(), "X")
        ),
    ]
}

#[tokio::test]
async fn dead_paths_stay_dead_in_every_spelling() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let admin = stage.token(Role::Admin);
    let dead = [
        "/actuator",
        "/actuator/env",
        "/actuator/heapdump",
        "/actuator/health/disk",
        "/notify",
        "/swagger-ui.html",
        "/webhooks/twilio/status",
    ];
    for path in NOWHERE.into_iter().chain(dead) {
        for spelling in spellings(path) {
            let head = format!(
                "GET {spelling} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {admin}\r\nX-Original-URL: /users\r\nX-Rewrite-URL: /users\r\nConnection: close\r\n\r\n"
            );
            let answer = stage.raw(head.as_bytes()).await;
            let is_dead = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 404");
            assert!(is_dead, "{spelling}: {answer}");
        }
    }
    assert_eq!(echo.hits(), 0);
}
