//! What the service needs before it serves anybody.

use common::clock::Clock;
use common_testing::{As, mysql_database};
use user_service::{AppState, MIGRATOR};

use crate::helpers::{PASSWORD, TestApp, assemble, settings, try_settings};

async fn refusal(overrides: &str) -> String {
    let (_core, state) = assemble(mysql_database(&MIGRATOR).await, overrides, Clock::System);
    format!("{:#}", user_service::start(&state).await.unwrap_err())
}

#[tokio::test]
async fn without_an_administrator_the_password_of_the_first_is_needed() {
    assert!(
        refusal("admin: {password: null}")
            .await
            .contains("ADMIN_PASSWORD")
    );
    assert!(
        refusal("admin: {password: short}")
            .await
            .contains("ADMIN_PASSWORD")
    );
    assert!(refusal("admin: {email: nonsense}").await.contains("ADMIN_EMAIL"));
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let app = TestApp::start().await;
    app.admin().await;
    let later = TestApp::start_on(
        app.db.clone(),
        "admin: {email: new@clinic.example, password: null}",
        Clock::System,
    )
    .await;
    later.admin().await;
    let admins: i64 = sqlx::query_scalar("select count(*) from users")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(admins, 1);
}

#[tokio::test]
async fn placeholders_for_secrets_are_refused() {
    let db = mysql_database(&MIGRATOR).await;
    for (overrides, says) in [
        ("master: {key: null}", "MASTER_KEY"),
        ("master: {key: changeme}", "MASTER_KEY"),
        (
            "master: {key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}",
            "MASTER_KEY",
        ),
        ("service: {secrets: \"api-gateway:changeme\"}", "SERVICE_SECRETS"),
        ("service: {secrets: \"api-gateway\"}", "SERVICE_SECRETS"),
    ] {
        let live = settings(overrides);
        let (core, _) = common_testing::core(&live);
        let broker = common::broker::Broker::start(&live.core().amqp, &core.background);
        let outbox = common::outbox::Outbox::start(db.clone(), broker, &core.background);
        let refused = AppState::new(core, live, db.clone(), outbox).err();
        assert!(format!("{:#}", refused.unwrap()).contains(says), "{overrides}");
    }
}

#[test]
fn settings_that_would_open_the_house_are_refused() {
    for (overrides, says) in [
        ("password: {passes: 0}", "password.passes"),
        ("password: {queue: 0}", "password.queue"),
        ("password: {patience_ms: 0}", "password.patience_ms"),
        ("password_reset: {per_hour: 0}", "password_reset.per_hour"),
        ("throttle: {forget_h: 0}", "throttle.forget_h"),
        ("throttle: {first_pause_s: 0}", "throttle.first_pause_s"),
        ("throttle: {longest_pause_s: 0}", "throttle.longest_pause_s"),
        ("throttle: {longest_pause_s: 29}", "throttle.longest_pause_s"),
        ("throttle: {account_failures: 0}", "throttle.account_failures"),
        ("token: {access_life_s: 901}", "auth.max_lifetime_s"),
        ("token: {service_life_s: 901}", "auth.max_lifetime_s"),
        ("token: {refresh_grace_s: -1}", "token.refresh_grace_s"),
        ("session: {at_most: 0}", "session.at_most"),
        ("signing_key: {lead_s: 2}", "signing_key.lead_s"),
    ] {
        let refused = try_settings(overrides).err().unwrap();
        assert!(format!("{refused:#}").contains(says), "{overrides}: {refused:#}");
    }
    try_settings("token: {access_life_s: 900}").unwrap();
}

#[tokio::test]
async fn what_no_route_answers_is_a_problem_too() {
    let app = TestApp::start().await;
    assert_eq!(
        app.client.get("/nothing", As::Anyone).await.problem(404),
        "not-found"
    );
    assert_eq!(
        app.client.get("/login", As::Anyone).await.problem(405),
        "method-not-allowed"
    );
    let request = app.client.request(http::Method::POST, "/login", As::Anyone);
    let answer = common_testing::Client::send(request.header("content-type", "text/plain").body("{}")).await;
    assert_eq!(answer.problem(415), "unsupported-media-type");
    let request = app.client.request(http::Method::POST, "/login", As::Anyone);
    let answer =
        common_testing::Client::send(request.header("content-type", "application/json").body("{")).await;
    assert_eq!(answer.problem(400), "malformed-request");
}

#[test]
fn the_description_names_every_public_route() {
    let api = serde_json::to_value(user_service::openapi()).unwrap();
    let described: usize = api["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    let table = include_str!("../../src/routes.rs");
    let methods = ["get(", "post(", "put(", "patch(", "delete("];
    let served: usize = table
        .split(".route(")
        .skip(1)
        .filter(|route| !route.contains("/internal/"))
        .map(|route| methods.iter().filter(|method| route.contains(**method)).count())
        .sum();
    assert_eq!(described, served);
}

#[tokio::test]
async fn only_what_is_old_is_swept_away() {
    let app = TestApp::start_with("", Clock::fixed(Clock::System.now())).await;
    let user = app.patient("ann").await;
    app.login_as(&user.email, "wrong-horse-battery-11")
        .await
        .expect(401);
    app.client
        .post("/logout", &user.access, &serde_json::json!({}))
        .await
        .expect(204);
    let kept = app.login(&user.email, PASSWORD).await;
    let rows = || async {
        let mut counts = Vec::new();
        for table in ["sessions", "revocations", "throttles"] {
            let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
            counts.push(
                sqlx::query_scalar::<_, i64>(count)
                    .fetch_one(&app.db)
                    .await
                    .unwrap(),
            );
        }
        counts
    };
    let before = rows().await;
    user_service::housekeeping::purge(&app.state).await.unwrap();
    assert_eq!(rows().await, before, "nothing is old yet");
    app.advance(chrono::TimeDelta::minutes(17));
    user_service::housekeeping::purge(&app.state).await.unwrap();
    assert_eq!(rows().await[1], 0, "the revoked tokens have expired");
    app.refresh(&kept.refresh).await.expect(200);
    app.advance(chrono::TimeDelta::days(61));
    user_service::housekeeping::purge(&app.state).await.unwrap();
    assert_eq!(rows().await, [0, 0, 0]);
}
