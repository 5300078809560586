//! Forged and crooked tokens: every one is refused with 401 and a problem that says nothing useful to its maker.

use common::auth::Role;
use common::ids::UserId;
use common_testing::{As, Target, repel};
use http::Method;
use serde_json::json;

use crate::helpers::{NAME, TestApp};

#[tokio::test]
async fn a_good_token_names_its_user() {
    let app = TestApp::start().await;
    let user = UserId::generate();
    let token = app.mint.access(user, Role::Doctor);
    let me = app.server.client().get("/me", &token).await.expect(200).json();
    assert_eq!(me, json!({ "id": user, "role": "DOCTOR" }));
}

#[tokio::test]
async fn no_attack_gets_through() {
    let app = TestApp::start().await;
    for (name, path, role) in [
        ("an open handler", "/me", Role::Patient),
        ("a handler for admins", "/admin", Role::Admin),
    ] {
        let target = Target {
            name,
            address: app.server.address,
            path,
        };
        let good = app.mint.claims(UserId::generate(), role);
        assert!(repel(&target, &app.mint, &good).await > 350);
    }
}

#[tokio::test]
async fn a_refusal_tells_its_maker_nothing() {
    let app = TestApp::start().await;
    let stranger = app.mint.stranger().access(UserId::generate(), Role::Admin);
    let answer = app.server.client().get("/me", &stranger).await;
    assert_eq!(answer.problem(401), "unauthorized");
    assert_eq!(answer.json()["detail"], "the token is not valid");
    assert!(answer.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn the_scheme_is_written_in_any_case() {
    let app = TestApp::start().await;
    let token = app.mint.access(UserId::generate(), Role::Patient);
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let request = app.server.client().request(Method::GET, "/me", As::Anyone);
        let request = request.header("authorization", format!("{scheme} {token}"));
        common_testing::Client::send(request).await.expect(200);
    }
}

#[tokio::test]
async fn roles_and_kinds_of_token_do_not_stand_in_for_each_other() {
    let app = TestApp::start().await;
    let client = app.server.client();
    for role in [Role::Doctor, Role::Patient] {
        let answer = client
            .get("/admin", &app.mint.access(UserId::generate(), role))
            .await;
        assert_eq!(answer.problem(403), "role-not-allowed");
    }
    client
        .get("/admin", &app.mint.access(UserId::generate(), Role::Admin))
        .await
        .expect(200);

    let service = app.mint.service("notification-service", NAME);
    assert_eq!(
        client.get("/internal/thing", &service).await.expect(200).text(),
        "notification-service"
    );
    client.get("/me", &service).await.expect(401);
    let elsewhere = app.mint.service("notification-service", "user-service");
    assert_eq!(
        client.get("/internal/thing", &elsewhere).await.problem(401),
        "unauthorized"
    );
    let user = app.mint.access(UserId::generate(), Role::Admin);
    assert_eq!(
        client.get("/internal/thing", &user).await.problem(403),
        "service-only"
    );
    client.get("/internal/thing", As::Anyone).await.expect(401);
}
