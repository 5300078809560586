//! New settings while the gateway runs.

use std::sync::{Arc, Mutex};

use axum::Router;
use common::auth::Role;
use common_testing::{As, ConfigStub, eventually};
use serde_json::{Value, json};

use crate::helpers::{Echo, Stage, serve_router};

/// What the config-server answers: one table of routes with one line.
fn answer(path: &str, who: &str) -> Value {
    let source = json!({
        "gateway.routes[0].path": path,
        "gateway.routes[0].methods[0]": "GET",
        "gateway.routes[0].service": "user-service",
        "gateway.routes[0].who": who,
    });
    json!({"name": "api-gateway", "profiles": ["default"], "propertySources": [{"name": "trial", "source": source}]})
}

#[tokio::test]
async fn a_new_table_takes_force_and_a_bad_one_does_not() {
    let echo = Echo::start().await;
    let current = Arc::new(Mutex::new(answer("/internal/x", "public")));
    let served = Arc::clone(&current);
    let config_server = serve_router(Router::new().fallback(move || {
        let answer = axum::Json(served.lock().unwrap().clone());
        async move { answer }
    }))
    .await;
    let stage = Stage::at(
        &[echo.address],
        &format!("{{config_server: {{url: 'http://a:b@{config_server}'}}}}"),
    );
    let admin = stage.token(Role::Admin);
    stage.client.get("/new", As::Anyone).await.expect(404);
    stage
        .client
        .get("/actuator/gateway/routes/get.new", &admin)
        .await
        .expect(404);
    for (path, who) in [
        ("/internal/x", "public"),
        ("/new", "everybody"),
        ("new", "public"),
        ("/new//x", "any"),
    ] {
        *current.lock().unwrap() = answer(path, who);
        assert!(stage.live.refresh().await.is_err(), "{path} {who}");
    }
    stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200);
    *current.lock().unwrap() = answer("/new", "public");
    stage.live.refresh().await.unwrap();
    eventually("the new table", || async {
        (stage.client.get("/new", As::Anyone).await.status == 200).then_some(())
    })
    .await;
    stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(404);
    let shown = stage
        .client
        .get("/actuator/gateway/routes", &admin)
        .await
        .expect(200);
    assert_eq!(shown.json().as_array().unwrap().len(), 1, "{}", shown.text());
    stage
        .client
        .get("/actuator/gateway/routes/get.new", &admin)
        .await
        .expect(200);
}

#[tokio::test]
async fn limits_change_without_a_restart() {
    let echo = Echo::start().await;
    let stub = ConfigStub::start().await;
    let strict = "gateway: {rate_limit: {classes: {login: {per_minute: 6, burst: 10}}}}";
    let stage = Stage::at(&[echo.address], &format!("{}\n{strict}", stub.yaml()));
    let limit = async || {
        let answer = stage.client.post("/login", As::Anyone, &json!({})).await;
        answer.header("ratelimit-limit").to_owned()
    };
    stub.set(json!({"gateway.rate_limit.scale": 1}));
    stage.live.refresh().await.unwrap();
    eventually("the limit as it stands", || async {
        (limit().await == "10").then_some(())
    })
    .await;
    stub.set(json!({"gateway.rate_limit.scale": 2}));
    let refreshed = stage.live.refresh().await.unwrap();
    assert_eq!(refreshed.changed, ["gateway.rate_limit.scale"]);
    assert!(refreshed.at_restart.is_empty());
    eventually("twice the limit", || async {
        (limit().await == "20").then_some(())
    })
    .await;
}
