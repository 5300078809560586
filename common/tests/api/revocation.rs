use chrono::TimeDelta;
use common::auth::{ACCESS_TYPE, RevocationFeed, RevokedSession, RevokedUser, Role};
use common::ids::UserId;

use crate::helpers::TestApp;

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
            users: vec![],
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
            sessions: vec![],
            users: vec![cut],
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
            users: vec![],
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
