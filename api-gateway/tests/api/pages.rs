//! What the gateway answers itself.

use common::auth::Role;
use common_testing::As;

use crate::helpers::{Echo, Stage};

#[tokio::test]
async fn the_index_the_description_and_the_page_are_open() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let index = stage.client.get("/", As::Anyone).await.expect(200);
    assert_eq!(index.json()["links"]["docs"], "/docs");
    let description = stage.client.get("/openapi.json", As::Anyone).await.expect(200);
    assert_eq!(description.json()["openapi"], "3.1.0");
    let page = stage.client.get("/docs", As::Anyone).await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'sha256-")
    );
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn health_is_open_and_the_rest_of_the_monitoring_is_for_admins() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    for open in ["/actuator/health", "/livez", "/readyz"] {
        assert_eq!(
            stage.client.get(open, As::Anyone).await.expect(200).json()["status"],
            "UP",
            "{open}"
        );
    }
    let (admin, patient) = (stage.token(Role::Admin), stage.token(Role::Patient));
    for path in [
        "/actuator",
        "/actuator/info",
        "/actuator/env",
        "/actuator/prometheus",
        "/actuator/health/liveness",
    ] {
        assert_eq!(
            stage.client.get(path, As::Anyone).await.problem(401),
            "unauthorized",
            "{path}"
        );
        stage.client.get(path, &patient).await.expect(403);
        stage.client.get(path, &admin).await.expect(200);
    }
    for path in ["/actuator/heapdump", "/actuator/x/y"] {
        stage.client.get(path, As::Anyone).await.expect(401);
        stage.client.get(path, &admin).await.expect(404);
    }
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn every_answer_is_hardened_and_names_its_request() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Patient);
    let answers = [
        stage.client.get("/users/me", &token).await.expect(200),
        stage.client.get("/users/me", As::Anyone).await.expect(401),
        stage.client.get("/audit", &token).await.expect(403),
        stage.client.get("/nowhere", As::Anyone).await.expect(404),
        stage.client.get("/login", As::Anyone).await.expect(405),
        stage.client.get("/", As::Anyone).await.expect(200),
        stage.client.get("/livez", As::Anyone).await.expect(200),
    ];
    let headers = [
        "x-request-id",
        "strict-transport-security",
        "x-content-type-options",
        "referrer-policy",
        "content-security-policy",
        "cache-control",
        "x-frame-options",
    ];
    for answer in &answers {
        for header in headers {
            assert!(
                answer.headers.contains_key(header),
                "{} without {header}",
                answer.status
            );
        }
        for header in ["server", "x-powered-by", "x-internal-node"] {
            assert!(
                !answer.headers.contains_key(header),
                "{} with {header}",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn readiness_waits_until_every_service_has_been_seen() {
    let stage = Stage::at(&[], "{}");
    let answer = stage.client.get("/readyz", As::Anyone).await.expect(503);
    assert_eq!(answer.json()["status"], "OUT_OF_SERVICE");
    stage.client.get("/livez", As::Anyone).await.expect(200);
    let unavailable = stage.client.get("/.well-known/jwks.json", As::Anyone).await;
    assert_eq!(unavailable.problem(503), "unavailable");
    assert!(unavailable.headers.contains_key("retry-after"));
}
