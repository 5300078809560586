//! A service that follows user-service's word of what is over.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use common::auth::{ACCESS_TYPE, AccessClaims, RevocationFeed, RevokedSession, Role};
use common::clock::Clock;
use common::core::Core;
use common::ids::UserId;
use common_testing::{TokenMint, eventually};
use serde_json::json;

use crate::helpers::{TestApp, live};
use crate::issuer::{Answer, Issuer};

/// What a service waits at most between two readings, and what a contract gives it.
const AT_ONCE: Duration = Duration::from_millis(1800);

async fn service() -> (Issuer, TestApp) {
    let mint = TokenMint::new(Clock::System);
    let issuer = Issuer::start(Answer::Set(json!(mint.key_set()))).await;
    let core = Core::start(&live(&issuer.settings())).unwrap();
    let keys = core.verifier.keys().clone();
    let app = TestApp::of(core, mint).await;
    eventually("keys", || async { keys.ready().then_some(()) }).await;
    (issuer, app)
}

fn ended(seq: u64, claims: &AccessClaims) -> RevocationFeed {
    let until = Clock::System.now() + TimeDelta::minutes(5);
    RevocationFeed {
        seq,
        sessions: vec![RevokedSession {
            sid: claims.sid,
            until,
        }],
        ..RevocationFeed::default()
    }
}

/// The seconds until `token` is answered with `status`.
async fn until(app: &TestApp, token: &str, status: u16) -> Duration {
    let (client, begun) = (app.server.client(), Instant::now());
    eventually(&format!("{status}"), || async {
        (client.get("/me", token).await.status == status).then_some(())
    })
    .await;
    begun.elapsed()
}

#[tokio::test]
async fn what_ended_before_the_start_stays_over_and_what_ends_later_ends_at_once() {
    let (issuer, app) = service().await;
    let [early, late] = [0, 1].map(|_| app.mint.claims(UserId::generate(), Role::Patient));
    let [gone, going] = [&early, &late].map(|claims| app.mint.sign(ACCESS_TYPE, claims));
    let client = app.server.client();
    for token in [&gone, &going] {
        assert_eq!(client.get("/me", token).await.problem(503), "unavailable");
    }
    issuer.tell(ended(1, &early));
    until(&app, &going, 200).await;
    client.get("/me", &gone).await.expect(401);
    issuer.tell(ended(2, &late));
    let took = until(&app, &going, 401).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn a_withdrawn_key_is_worth_nothing_at_once_whatever_the_key_set_still_says() {
    let (issuer, app) = service().await;
    issuer.tell(RevocationFeed {
        seq: 1,
        ..RevocationFeed::default()
    });
    let old = app.mint.access(UserId::generate(), Role::Admin);
    until(&app, &old, 200).await;
    let before = issuer.asked();
    // The token with which this service asks was signed by that key as well.
    issuer.refuse_tokens();
    let new = app.mint.stranger();
    let both = [new.key_set().keys, app.mint.key_set().keys].concat();
    issuer.keys(Answer::Set(json!({ "keys": both })));
    issuer.tell(RevocationFeed {
        seq: 2,
        keys: vec![app.mint.kid().to_owned()],
        ..RevocationFeed::default()
    });
    let told = Instant::now();
    // No token that could be the reason: the feed alone makes it read.
    eventually("a reading", || async { (issuer.asked() > before).then_some(()) }).await;
    until(&app, &old, 401).await;
    until(&app, &new.access(UserId::generate(), Role::Admin), 200).await;
    assert!(told.elapsed() < AT_ONCE, "{:?}", told.elapsed());
    app.server.client().get("/me", &old).await.expect(401);
}

#[tokio::test]
async fn a_refused_service_token_is_not_used_again() {
    let (issuer, app) = service().await;
    let claims = app.mint.claims(UserId::generate(), Role::Patient);
    let token = app.mint.sign(ACCESS_TYPE, &claims);
    issuer.tell(RevocationFeed::default());
    until(&app, &token, 200).await;
    issuer.refuse_tokens();
    issuer.tell(ended(1, &claims));
    // The reading that is under way was let in; the next one is refused, and the one after it asks anew.
    until(&app, &token, 401).await;
    let other = app.mint.claims(UserId::generate(), Role::Patient);
    let token = app.mint.sign(ACCESS_TYPE, &other);
    until(&app, &token, 200).await;
    issuer.tell(ended(2, &other));
    let took = until(&app, &token, 401).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn without_its_secret_a_service_does_not_start() {
    let refused = Core::start(&live("{}")).err().unwrap().to_string();
    assert!(refused.contains("SERVICE_SECRET"), "{refused}");
}
