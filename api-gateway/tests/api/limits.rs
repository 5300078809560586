//! How often a caller may come.

use common::auth::Role;
use common_testing::{As, Client};
use http::Method;

use crate::helpers::{Echo, Stage};

/// Small numbers in the place of the default ones.
const STRICT: &str = "{gateway: {rate_limit: {scale: 1, classes: {\
    login: {per_minute: 6, burst: 5}, user: {per_minute: 6, burst: 3}, public: {per_minute: 6, burst: 4}}}}}";

async fn log_in(stage: &Stage, spoofed: usize) -> common_testing::Answer {
    let address = format!("10.9.8.{spoofed}");
    let mut request = stage
        .client
        .request(Method::POST, "/login", As::Anyone)
        .body("{}");
    for header in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ] {
        request = request.header(header, &address);
    }
    Client::send(request).await
}

#[tokio::test]
async fn an_address_is_limited_whatever_it_says_about_itself() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    for attempt in 0..5 {
        let answer = log_in(&stage, attempt).await.expect(200);
        assert_eq!(answer.header("ratelimit-limit"), "5");
        assert_eq!(answer.header("ratelimit-remaining"), (4 - attempt).to_string());
        assert!(answer.header("ratelimit-reset").parse::<u64>().unwrap() <= 50);
    }
    let refused = log_in(&stage, 99).await;
    assert_eq!(refused.problem(429), "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    assert_eq!(echo.hits(), 5);
}

#[tokio::test]
async fn classes_are_counted_apart() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    for attempt in 0..6 {
        log_in(&stage, attempt).await;
    }
    stage
        .client
        .post("/register", As::Anyone, &serde_json::json!({}))
        .await
        .expect(200);
    stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200);
}

#[tokio::test]
async fn users_are_counted_each_for_themselves() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    let (one, other) = (stage.token(Role::Patient), stage.token(Role::Patient));
    for _ in 0..3 {
        stage.client.get("/users/me", &one).await.expect(200);
    }
    assert_eq!(
        stage.client.get("/users/me", &one).await.problem(429),
        "rate-limited"
    );
    stage.client.get("/users/me", &other).await.expect(200);
}

#[tokio::test]
async fn a_refusal_by_role_counts_too() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    let token = stage.token(Role::Patient);
    for _ in 0..3 {
        let answer = stage.client.get("/audit", &token).await.expect(403);
        assert_eq!(answer.header("ratelimit-limit"), "3");
    }
    stage.client.get("/audit", &token).await.expect(429);
}

#[tokio::test]
async fn the_gateways_own_pages_are_limited_and_its_probes_are_not() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    for page in ["/", "/openapi.json", "/docs"] {
        let answer = stage.client.get(page, As::Anyone).await.expect(200);
        assert_eq!(answer.header("ratelimit-limit"), "4");
        assert!(!answer.headers.contains_key("x-ratelimit-limit"));
    }
    // The same bucket as for public routes.
    stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200);
    let refused = stage.client.get("/", As::Anyone).await;
    assert_eq!(refused.problem(429), "rate-limited");
    assert!(refused.headers.contains_key("retry-after"));
    for _ in 0..20 {
        stage.client.get("/livez", As::Anyone).await.expect(200);
    }
}

#[tokio::test]
async fn one_scale_multiplies_all() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], "{gateway: {rate_limit: {scale: 2}}}");
    let answer = log_in(&stage, 0).await.expect(200);
    assert_eq!(answer.header("ratelimit-limit"), "80");
}

#[tokio::test]
async fn what_leads_nowhere_is_counted_by_address() {
    let echo = Echo::start().await;
    let cors = STRICT.replacen(
        "{gateway: {",
        "{gateway: {cors_origins: ['https://a.example'], ",
        1,
    );
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::DELETE, "/login", 405),
        (Method::GET, "/users//me", 400),
        (Method::GET, "/users/me", 401),
        (Method::OPTIONS, "/login", 204),
    ] {
        let stage = Stage::at(&[echo.address], &cors);
        let ask = || {
            let request = stage.client.request(method.clone(), path, As::Anyone);
            let request = request.header("origin", "https://a.example");
            Client::send(request.header("access-control-request-method", "POST"))
        };
        for left in (0..4).rev() {
            let answer = ask().await.expect(status);
            assert_eq!(answer.header("ratelimit-limit"), "4", "{path}");
            assert_eq!(answer.header("ratelimit-remaining"), left.to_string(), "{path}");
        }
        assert_eq!(ask().await.problem(429), "rate-limited", "{path}");
        let user = stage.token(Role::Patient);
        stage.client.get("/users/me", &user).await.expect(200);
    }
}

#[tokio::test]
async fn a_bad_token_is_told_how_many_more_there_may_be() {
    let echo = Echo::start().await;
    let yaml = "{gateway: {tokens: {checks: {per_minute: 60, burst: 5}}, rate_limit: {scale: 1}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let answer = stage.client.get("/users/me", "a.b.c").await.expect(401);
    assert_eq!(answer.header("ratelimit-remaining"), "4");
}

#[tokio::test]
async fn health_is_limited_for_whoever_says_who_that_is() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], STRICT);
    for _ in 0..4 {
        stage.client.get("/actuator/health", "a.b.c").await.expect(200);
    }
    stage.client.get("/actuator/health", "a.b.c").await.expect(429);
    stage.client.get("/actuator/health", As::Anyone).await.expect(200);
}
