//! Forged and crooked tokens at the edge: 401, and no service hears of them.

use std::time::Duration;

use common::auth::{ACCESS_TYPE, KeySet, Role};
use common::ids::UserId;
use common_testing::{Target, TokenMint, repel};
use futures_util::{StreamExt, stream};

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
    let refused = stage.client.get("/users/me", &token).await;
    assert_eq!(refused.problem(401), "unauthorized");
    for header in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(
            refused.headers.contains_key(header),
            "{header}: {:?}",
            refused.headers
        );
    }
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
    for _ in 0..5 {
        let token = forged.access(UserId::generate(), Role::Admin);
        stage.client.get("/users/me", &token).await.expect(401);
    }
    let token = forged.access(UserId::generate(), Role::Admin);
    let answer = stage.client.get("/users/me", &token).await;
    assert_eq!(answer.header("ratelimit-limit"), "5");
    assert_eq!(answer.problem(429), "rate-limited");
    assert!(answer.headers.contains_key("retry-after"));
    stage.client.get("/users/me", &known).await.expect(200);
}

#[tokio::test]
async fn a_rotation_under_load_fails_no_request_of_many_users_behind_one_address() {
    let echo = Echo::start().await;
    // Far fewer than there are users: only bad tokens may count.
    let yaml = "{gateway: {tokens: {checks: {per_minute: 60, burst: 5}}, rate_limit: {scale: 1}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let next = TokenMint::new(stage.core.clock.clone());
    let tokens = |mint: &TokenMint| -> Vec<String> {
        let one = |_| mint.access(UserId::generate(), Role::Patient);
        (0..700).map(one).collect()
    };
    let (before, after) = (tokens(&stage.mint), tokens(&next));
    let all_pass = |tokens: Vec<String>| {
        let client = stage.client.clone();
        stream::iter(tokens).for_each_concurrent(32, move |token| {
            let client = client.clone();
            async move { drop(client.get("/users/me", &token).await.expect(200)) }
        })
    };
    all_pass(before.clone()).await;
    let keys = [stage.mint.key_set().keys, next.key_set().keys].concat();
    let rotate = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stage.core.verifier.keys().replace(&KeySet { keys });
    };
    tokio::join!(all_pass([before.clone(), before.clone()].concat()), rotate);
    all_pass([before, after].concat()).await;
}
