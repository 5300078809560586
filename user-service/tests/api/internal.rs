//! What only other services may call.

use std::time::{Duration, Instant};

use common_testing::{Answer, As, Client};
use serde_json::{Value, json};
use user_service::NAME;

use crate::helpers::{SERVICE_SECRET, TestApp, claims, text};

async fn token(app: &TestApp, name: &str, secret: &str, body: &Value) -> Answer {
    let request = app
        .client
        .request(http::Method::POST, "/internal/token", As::Anyone);
    Client::send(request.basic_auth(name, Some(secret)).json(body)).await
}

#[tokio::test]
async fn a_service_proves_its_name() {
    let app = TestApp::start().await;
    let body = json!({"audience": NAME});
    let answer = token(&app, "api-gateway", SERVICE_SECRET, &body)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["expires_in"], 300);
    let claims = claims(&text(&answer["access_token"]));
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["iss"]),
        (&json!("api-gateway"), &json!(NAME), &json!("healthcare"))
    );
    for (name, secret) in [
        ("api-gateway", "wrong"),
        ("api-gateway", ""),
        ("nobody", SERVICE_SECRET),
        ("", ""),
        ("nobody", ""),
    ] {
        assert_eq!(
            token(&app, name, secret, &body).await.problem(401),
            "unauthorized",
            "{name}:{secret}"
        );
    }
    app.client
        .post("/internal/token", As::Anyone, &body)
        .await
        .expect(401);
    token(
        &app,
        "api-gateway",
        SERVICE_SECRET,
        &json!({"audience": "somebody"}),
    )
    .await
    .expect(422);
    token(&app, "api-gateway", SERVICE_SECRET, &json!({}))
        .await
        .expect(422);
}

#[tokio::test]
async fn users_and_tokens_for_others_are_refused() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let admin = app.admin().await;
    let elsewhere = token(
        &app,
        "api-gateway",
        SERVICE_SECRET,
        &json!({"audience": "notification-service"}),
    )
    .await
    .json();
    let elsewhere = text(&elsewhere["access_token"]);
    let path = format!("/internal/users/{}", user.id);
    for path in [
        &*path,
        "/internal/revocations",
        "/internal/password-resets/01890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        app.client.get(path, As::Anyone).await.expect(401);
        app.client.get(path, &elsewhere).await.expect(401);
        for person in [&user, &admin] {
            app.client.get(path, &person.access).await.expect(403);
        }
    }
    let service = app.service_token("api-gateway").await;
    app.client.get("/users/me", &service).await.expect(401);
    app.client.get("/users", &service).await.expect(401);
}

#[tokio::test]
async fn services_look_up_accounts() {
    let app = TestApp::start().await;
    let ann = app.patient("ann").await;
    let ada = app.verified_doctor("ada").await;
    let service = app.service_token("notification-service").await;
    let card = app
        .client
        .get(&format!("/internal/users/{}", ada.id), &service)
        .await
        .expect(200)
        .json();
    assert_eq!(card["email"], ada.email);
    assert_eq!(card["doctor"]["verification"], "VERIFIED");
    assert!(card.get("password_hash").is_none());
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    app.client
        .get(&format!("/internal/users/{nobody}"), &service)
        .await
        .expect(404);
    let found = app
        .client
        .post(
            "/internal/users/lookup",
            &service,
            &json!({"ids": [ann.id, nobody, ada.id]}),
        )
        .await;
    assert_eq!(found.expect(200).json()["users"].as_array().unwrap().len(), 2);
    let many = vec![nobody; 201];
    app.client
        .post("/internal/users/lookup", &service, &json!({"ids": many}))
        .await
        .expect(422);
    app.client
        .post("/internal/users/lookup", &ann.access, &json!({"ids": []}))
        .await
        .expect(403);
}

/// The feed as `instance` tells it.
async fn feed(instance: &TestApp, service: &str, query: &str) -> Value {
    instance
        .client
        .get(&format!("/internal/revocations{query}"), service)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn whoever_waits_hears_of_an_end_at_once_from_every_instance() {
    let app = TestApp::start().await;
    let elsewhere = app.another_instance().await;
    let service = app.service_token("api-gateway").await;
    for (instance, name) in [(&app, "ann"), (&elsewhere, "bob")] {
        let user = app.patient(name).await;
        let before = feed(instance, &service, "").await["seq"].as_u64().unwrap();
        let query = format!("?after={before}&wait=20");
        let begun = Instant::now();
        let waiting = feed(instance, &service, &query);
        let nothing = json!({});
        let (news, _) = tokio::join!(waiting, app.client.post("/logout", &user.access, &nothing));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(news["seq"], before + 1);
        assert_eq!(news["sessions"][0]["sid"], claims(&user.access)["sid"]);
    }
}

#[tokio::test]
async fn newcomers_hear_everything_and_the_others_what_is_new() {
    let app = TestApp::start().await;
    let service = app.service_token("api-gateway").await;
    for name in ["ann", "bob"] {
        let user = app.patient(name).await;
        app.client
            .post("/logout", &user.access, &json!({}))
            .await
            .expect(204);
    }
    let whole = feed(&app, &service, "").await;
    assert_eq!(whole["sessions"].as_array().unwrap().len(), 2);
    let nothing = feed(&app, &service, &format!("?after={}&wait=0", whole["seq"])).await;
    assert_eq!(nothing["sessions"], json!([]));
    let ahead = feed(&app, &service, "?after=999999&wait=20").await;
    assert_eq!(
        ahead["sessions"], whole["sessions"],
        "a reader from another history gets everything"
    );
}

#[tokio::test]
async fn a_withdrawn_key_is_told_at_once_by_every_instance() {
    let app = TestApp::start().await;
    let elsewhere = app.another_instance().await;
    let admin = app.admin().await;
    let old = app.client.get("/.well-known/jwks.json", As::Anyone).await.json()["keys"][0]["kid"].clone();
    let service = app.service_token("api-gateway").await;
    let before = feed(&elsewhere, &service, "").await;
    assert_eq!(before["keys"], json!([]));
    let (query, begun) = (format!("?after={}&wait=20", before["seq"]), Instant::now());
    let (waiting, nothing) = (feed(&elsewhere, &service, &query), json!({}));
    let withdraw = app
        .client
        .post("/keys/rotate?withdraw=true", &admin.access, &nothing);
    let (news, answer) = tokio::join!(waiting, withdraw);
    answer.expect(200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(news["keys"], json!([old]));
}
