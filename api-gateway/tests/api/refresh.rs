//! New settings while the gateway runs.

use std::sync::{Arc, Mutex};

use axum::Router;
use common::auth::Role;
use common_testing::{As, eventually};
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
