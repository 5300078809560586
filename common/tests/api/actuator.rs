use common::actuator::health::Weight;
use common::auth::Role;
use common::ids::UserId;
use common_testing::{As, Client};
use http::Method;
use serde_json::json;

use crate::helpers::{NAME, TestApp};

#[tokio::test]
async fn health_is_open_and_says_what_counts() {
    let app = TestApp::start().await;
    let client = app.server.client();
    app.core.health.add("broker", Weight::Shown, || async {
        Err("away at 10.0.0.7".to_owned())
    });
    let whole = client.get("/actuator/health", As::Anyone).await.expect(503);
    assert_eq!(
        whole.json()["components"]["broker"],
        json!({ "status": "DOWN" }),
        "no details for strangers"
    );
    // Work goes on without the broker: traffic must not be taken away.
    client
        .get("/actuator/health/readiness", As::Anyone)
        .await
        .expect(200);
    client.get("/readyz", As::Anyone).await.expect(200);
    app.core
        .health
        .add("db", Weight::Needed, || async { Err("away".to_owned()) });
    assert_eq!(
        client.get("/readyz", As::Anyone).await.expect(503).json()["status"],
        "OUT_OF_SERVICE"
    );
    client
        .get("/actuator/health/liveness", As::Anyone)
        .await
        .expect(200);
    client.get("/livez", As::Anyone).await.expect(200);
    client.get("/actuator/health/db", As::Anyone).await.expect(503);
    client
        .get("/actuator/health/nothing", As::Anyone)
        .await
        .expect(404);
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let whole = client.get("/actuator/health", &admin).await.json();
    assert_eq!(
        whole["components"]["broker"]["details"]["error"],
        "away at 10.0.0.7"
    );
}

#[tokio::test]
async fn everything_else_is_for_operators() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let basic = |path: &str, secret: &str| {
        Client::send(
            client
                .request(Method::GET, path, As::Anyone)
                .basic_auth(NAME, Some(secret)),
        )
    };
    let closed = [
        "prometheus",
        "metrics",
        "metrics/process.uptime",
        "env",
        "env/server.port",
        "configprops",
        "mappings",
        "scheduledtasks",
        "httpexchanges",
        "loggers",
        "loggers/ROOT",
    ];
    for path in closed {
        let path = format!("/actuator/{path}");
        client.get(&path, As::Anyone).await.expect(401);
        let patient = app.mint.access(UserId::generate(), Role::Patient);
        client.get(&path, &patient).await.expect(403);
        basic(&path, "wrong").await.expect(401);
        basic(&path, "trial-secret").await.expect(200);
        let admin = app.mint.access(UserId::generate(), Role::Admin);
        client.get(&path, &admin).await.expect(200);
    }
    client.get("/actuator/info", As::Anyone).await.expect(200);
}

#[tokio::test]
async fn metrics_and_exchanges_name_templates_and_no_secret_shows() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    client
        .get("/nowhere/CNRY-path?token=CNRY-query", As::Anyone)
        .await
        .expect(404);
    for path in ["prometheus", "env", "httpexchanges"] {
        let text = client
            .get(&format!("/actuator/{path}"), &admin)
            .await
            .expect(200)
            .text();
        assert!(
            !text.contains("CNRY") && !text.contains("trial-secret"),
            "{path}: {text}"
        );
    }
    let metrics = client.get("/actuator/prometheus", &admin).await.text();
    assert!(
        metrics.contains("http_server_requests_seconds_count"),
        "{metrics}"
    );
    assert!(metrics.contains("uri=\"unmatched\""), "{metrics}");
}

#[tokio::test]
async fn levels_can_be_set_and_bad_ones_are_refused() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let set = |level: &str| json!({ "configuredLevel": level });
    client
        .post("/actuator/loggers/common::http", &admin, &set("DEBUG"))
        .await
        .expect(204);
    let loggers = client.get("/actuator/loggers", &admin).await.json();
    assert_eq!(loggers["loggers"]["common::http"]["effectiveLevel"], "DEBUG");
    client
        .post("/actuator/loggers/common::http", &admin, &set("LOUD"))
        .await
        .expect(400);
    client
        .post("/actuator/loggers/common::http", As::Anyone, &set("DEBUG"))
        .await
        .expect(401);
}

#[tokio::test]
async fn a_metric_can_be_asked_for_by_name_and_tag() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    client.get("/me", &admin).await.expect(200);
    let names = client.get("/actuator/metrics", &admin).await.expect(200).json();
    let names: Vec<&str> = names["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for name in [
        "http.server.requests",
        "process.uptime",
        "process.cpu.usage",
        "system.cpu.count",
    ] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    let metric = client
        .get(
            "/actuator/metrics/http.server.requests?tag=uri:/me&tag=status:200",
            &admin,
        )
        .await
        .json();
    assert!(
        metric["measurements"][0]["value"].as_f64().unwrap() >= 1.0,
        "{metric}"
    );
    client
        .get("/actuator/metrics/no.such.metric", &admin)
        .await
        .expect(404);
    client
        .get("/actuator/metrics/http.server.requests?tag=uri", &admin)
        .await
        .expect(400);
}

#[tokio::test]
async fn open_metrics_is_spoken_where_it_is_asked_for() {
    let app = TestApp::start().await;
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let scrape = app
        .server
        .client()
        .request(Method::GET, "/actuator/prometheus", &admin);
    let answer = Client::send(scrape.header("accept", "application/openmetrics-text; version=1.0.0"))
        .await
        .expect(200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    assert!(answer.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn settings_are_named_and_masked() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let one = client
        .get("/actuator/env/server.port", &admin)
        .await
        .expect(200)
        .json();
    assert_eq!(
        one["property"],
        json!({ "source": "defaults", "value": "******" })
    );
    client.get("/actuator/env/no.such.key", &admin).await.expect(404);
    let all = client
        .get("/actuator/configprops", &admin)
        .await
        .expect(200)
        .json();
    assert_eq!(
        all["contexts"][NAME]["beans"]["server"]["properties"]["port"],
        "******"
    );
}
