//! Settings that change while the service runs.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use common::auth::Role;
use common::ids::UserId;
use common_testing::{As, ConfigStub};
use serde_json::{Value, json};
use url::Url;

use crate::helpers::{TestApp, live};

const PATH: &str = "/actuator/refresh";

async fn refresh(app: &TestApp) -> common_testing::Answer {
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    app.server.client().post(PATH, &admin, &Value::Null).await
}

#[tokio::test]
async fn a_refresh_names_what_changed_and_what_waits_for_a_restart() {
    let stub = ConfigStub::start().await;
    let app = TestApp::with(&stub.yaml()).await;
    assert_eq!(refresh(&app).await.expect(200).json(), json!([]));
    stub.set(json!({"http_client.timeout_ms": 700, "server.drain_s": 5}));
    let answer = refresh(&app).await.expect(200);
    assert_eq!(answer.json(), json!(["http_client.timeout_ms", "server.drain_s"]));
    assert_eq!(answer.header("x-takes-effect-at-restart"), "server.drain_s");
    stub.set(json!({"http_client.timeout_ms": 800, "server.drain_s": 5}));
    let answer = refresh(&app).await.expect(200);
    assert_eq!(answer.json(), json!(["http_client.timeout_ms"]));
    assert_eq!(answer.headers.get("x-takes-effect-at-restart"), None);
}

#[tokio::test]
async fn a_refresh_is_for_operators() {
    let app = TestApp::start().await;
    let client = app.server.client();
    client.post(PATH, As::Anyone, &Value::Null).await.problem(401);
    let patient = app.mint.access(UserId::generate(), Role::Patient);
    client.post(PATH, &patient, &Value::Null).await.problem(403);
    for path in ["/actuator/busrefresh", "/actuator/busrefresh/trial-service"] {
        client.post(path, As::Anyone, &Value::Null).await.problem(401);
        client.post(path, &patient, &Value::Null).await.problem(403);
    }
}

#[tokio::test]
async fn a_bad_value_is_refused_and_an_absent_server_waited_for() {
    let stub = ConfigStub::start().await;
    stub.set(json!({"http_client.timeout_ms": 700}));
    let (live, app) = TestApp::live(&stub.yaml()).await;
    refresh(&app).await.expect(200);
    for bad in [json!(0), json!(-1), json!("many"), json!(null)] {
        stub.set(json!({"http_client.timeout_ms": bad, "log.level": "debug"}));
        assert_eq!(refresh(&app).await.problem(422), "settings-refused", "{bad}");
    }
    for status in [500, 503, 429, 401, 403, 404] {
        stub.fail(status);
        let answer = refresh(&app).await;
        assert_eq!(answer.problem(503), "unavailable", "{status}");
        answer.header("retry-after");
    }
    assert_eq!(live.core().http_client.timeout_ms, 700);
    assert_eq!(live.log().levels()["ROOT"], "INFO");
}

#[tokio::test]
async fn a_level_takes_effect_at_once() {
    let stub = ConfigStub::start().await;
    let (live, app) = TestApp::live(&stub.yaml()).await;
    stub.set(json!({"log.level": "warn"}));
    let answer = refresh(&app).await.expect(200);
    assert_eq!(answer.headers.get("x-takes-effect-at-restart"), None);
    assert_eq!(live.log().levels()["ROOT"], "WARN");
}

#[tokio::test]
async fn the_deadline_of_calls_takes_effect_at_once() {
    let slow = get(|| async { tokio::time::sleep(Duration::from_millis(400)).await });
    let address = common_testing::serve(Router::new().route("/", slow)).await;
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let stub = ConfigStub::start().await;
    let live = live(&format!("{}\nhttp_client: {{timeout_ms: 100}}", stub.yaml()));
    let client = common::http::Client::new(live.follow_core()).unwrap();
    assert!(client.get(url.clone()).send().await.unwrap_err().is_timeout());
    stub.set(json!({"http_client.timeout_ms": 20_000}));
    // What the environment says stands over config-server; here that is nothing.
    live.refresh().await.unwrap();
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
}
