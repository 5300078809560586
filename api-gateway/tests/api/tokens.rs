//! Forged and crooked tokens at the edge: 401, and no service hears of them.

use common::auth::{ACCESS_TYPE, Role};
use common::ids::UserId;
use common_testing::{Target, TokenMint, repel};

use crate::helpers::{Echo, Stage};

#[tokio::test]
async fn no_attack_on_tokens_reaches_a_service() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    for (path, role) in [("/users/me", Role::Patient), ("/actuator/env", Role::Admin)] {
        let target = Target {
            name: &format!("api-gateway {path}"),
            address: stage.address,
            path,
        };
        let good = stage.mint.claims(UserId::generate(), role);
        repel(&target, &stage.mint, &good).await;
    }
    // The good token, before and after.
    assert_eq!(echo.hits(), 2);
}

#[tokio::test]
async fn a_revoked_session_ends_at_once_although_its_token_is_remembered() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let claims = stage.mint.claims(UserId::generate(), Role::Patient);
    let token = stage.mint.sign(ACCESS_TYPE, &claims);
    stage.client.get("/users/me", &token).await.expect(200);
    let until = stage.core.clock.now() + chrono::TimeDelta::minutes(5);
    let sessions = vec![common::auth::RevokedSession {
        sid: claims.sid,
        until,
    }];
    let feed = common::auth::RevocationFeed {
        seq: 1,
        sessions,
        ..common::auth::RevocationFeed::default()
    };
    stage
        .core
        .verifier
        .revocations()
        .apply(&feed, stage.core.clock.now());
    assert_eq!(
        stage.client.get("/users/me", &token).await.problem(401),
        "unauthorized"
    );
    assert_eq!(echo.hits(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_tokens_is_cut_off_before_the_signature() {
    let echo = Echo::start().await;
    let yaml = "{gateway: {tokens: {checks: {per_minute: 60, burst: 5}}, rate_limit: {scale: 1}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let known = stage.token(Role::Patient);
    stage.client.get("/users/me", &known).await.expect(200);
    let forged = TokenMint::new(stage.core.clock.clone());
    for _ in 0..4 {
        let token = forged.access(UserId::generate(), Role::Admin);
        stage.client.get("/users/me", &token).await.expect(401);
    }
    let token = forged.access(UserId::generate(), Role::Admin);
    let answer = stage.client.get("/users/me", &token).await;
    assert_eq!(answer.problem(429), "rate-limited");
    assert!(answer.headers.contains_key("retry-after"));
    stage.client.get("/users/me", &known).await.expect(200);
}
