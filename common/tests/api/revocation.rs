use chrono::TimeDelta;
use common::auth::{ACCESS_TYPE, RevocationFeed, Revocations, RevokedSession, RevokedUser, Role, Verifier};
use common::ids::UserId;

use crate::helpers::{NAME, TestApp, live};

#[tokio::test]
async fn a_session_that_ended_opens_nothing_more() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let claims = app.mint.claims(UserId::generate(), Role::Patient);
    let token = app.mint.sign(ACCESS_TYPE, &claims);
    let other = app.mint.access(claims.sub, Role::Patient);
    client.get("/me", &token).await.expect(200);
    let now = app.core.clock.now();
    let generation = app.core.verifier.revocations().generation();
    let ended = RevokedSession {
        sid: claims.sid,
        until: now + TimeDelta::minutes(5),
    };
    app.core.verifier.revocations().apply(
        &RevocationFeed {
            seq: 1,
            sessions: vec![ended],
            ..RevocationFeed::default()
        },
        now,
    );
    client.get("/me", &token).await.expect(401);
    client.get("/me", &other).await.expect(200);
    assert_ne!(
        app.core.verifier.revocations().generation(),
        generation,
        "caches must hear of it"
    );
}

#[tokio::test]
async fn a_user_cut_off_loses_earlier_tokens_and_only_those() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let mut claims = app.mint.claims(UserId::generate(), Role::Doctor);
    let fresh = app.mint.sign(ACCESS_TYPE, &claims);
    let now = app.core.clock.now();
    claims.iat -= 10;
    let early = app.mint.sign(ACCESS_TYPE, &claims);
    let cut = RevokedUser {
        user_id: claims.sub,
        before: now - TimeDelta::seconds(2),
        until: now + TimeDelta::minutes(5),
    };
    app.core.verifier.revocations().apply(
        &RevocationFeed {
            seq: 1,
            users: vec![cut],
            ..RevocationFeed::default()
        },
        now,
    );
    client.get("/me", &early).await.expect(401);
    client.get("/me", &fresh).await.expect(200);
}

/// The end of a session is forgotten once its last token has expired by itself.
#[tokio::test]
async fn what_expired_is_forgotten() {
    let app = TestApp::start().await;
    let claims = app.mint.claims(UserId::generate(), Role::Patient);
    let now = app.core.clock.now();
    let revocations = app.core.verifier.revocations();
    let ended = RevokedSession {
        sid: claims.sid,
        until: now + TimeDelta::minutes(5),
    };
    revocations.apply(
        &RevocationFeed {
            seq: 1,
            sessions: vec![ended],
            ..RevocationFeed::default()
        },
        now,
    );
    assert!(revocations.revoked(&claims));
    revocations.apply(
        &RevocationFeed {
            seq: 2,
            ..Default::default()
        },
        now + TimeDelta::minutes(6),
    );
    assert!(!revocations.revoked(&claims));
}

/// A service as it is while user-service is away: what it last heard was said at the given moment.
async fn stale(heard: Option<TimeDelta>) -> TestApp {
    let (mut core, mint) = common_testing::core(&live("{service: {secret: trial-secret}}"));
    let revocations = Revocations::awaited();
    if let Some(age) = heard {
        revocations.heard(core.clock.now() - age);
    }
    let (settings, clock) = (core.settings.auth.clone(), core.clock.clone());
    core.verifier = Verifier::new(settings, NAME, mint.keys(), revocations, clock);
    TestApp::of(core, mint).await
}

#[tokio::test]
async fn a_feed_that_went_silent_shuts_out_doctors_and_admins_but_no_patient() {
    let app = stale(Some(TimeDelta::seconds(65))).await;
    let client = app.server.client();
    for role in [Role::Doctor, Role::Admin] {
        let answer = client
            .get("/me", &app.mint.access(UserId::generate(), role))
            .await;
        assert_eq!(answer.problem(503), "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    let patient = app.mint.access(UserId::generate(), Role::Patient);
    client.get("/me", &patient).await.expect(200);
    // One word from the feed, and all is well.
    let verifier = &app.core.verifier;
    verifier.revocations().heard(app.core.clock.now());
    for role in [Role::Doctor, Role::Admin, Role::Patient] {
        let token = app.mint.access(UserId::generate(), role);
        client.get("/me", &token).await.expect(200);
    }
}

#[tokio::test]
async fn before_the_first_word_of_the_feed_nobody_comes_in() {
    let app = stale(None).await;
    let client = app.server.client();
    for role in [Role::Patient, Role::Doctor, Role::Admin] {
        let answer = client
            .get("/me", &app.mint.access(UserId::generate(), role))
            .await;
        assert_eq!(answer.problem(503), "unavailable");
    }
    assert!(app.core.verifier.ready().is_err());
    // Services may already call each other: how else would they hear that word?
    let service = app.mint.service("notification-service", NAME);
    client.get("/internal/thing", &service).await.expect(200);
    app.core.verifier.revocations().heard(app.core.clock.now());
    assert!(app.core.verifier.ready().is_ok());
}
