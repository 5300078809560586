use common::actuator::health::Weight;
use common::auth::Role;
use common::ids::UserId;
use common_testing::{As, Client};
use http::Method;
use serde_json::json;

use crate::helpers::TestApp;

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
async fn groups_and_components_are_asked_for_by_name() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    app.core
        .health
        .add("db", Weight::Needed, || async { Ok(json!({ "rows": 1 })) });
    let up = json!({ "status": "UP" });
    for path in [
        "db",
        "readiness/db",
        "diskSpace",
        "liveness/livenessState",
        "readiness/readinessState",
    ] {
        let answer = client.get(&format!("/actuator/health/{path}"), As::Anyone).await;
        assert_eq!(answer.expect(200).json(), up, "{path}");
    }
    for path in [
        "nothing",
        "liveness/db",
        "readiness/diskSpace",
        "nothing/db",
        "db/nothing",
    ] {
        let answer = client.get(&format!("/actuator/health/{path}"), As::Anyone).await;
        assert_eq!(answer.problem(404), "not-found", "{path}");
    }
    let db = client.get("/actuator/health/readiness/db", &admin).await.json();
    assert_eq!(db, json!({ "status": "UP", "details": { "rows": 1 } }));
    let disk = client.get("/actuator/health/diskSpace", &admin).await.json();
    let number = |key: &str| disk["details"][key].as_u64().unwrap();
    assert!(
        number("total") >= number("free") && number("free") >= number("threshold"),
        "{disk}"
    );
    assert_eq!(disk["details"]["exists"], true);
}

#[tokio::test]
async fn while_it_stops_it_is_out_of_service_and_says_when_to_come_back() {
    let app = TestApp::start().await;
    let client = app.server.client();
    app.core.health.stopping();
    for path in ["/actuator/health", "/actuator/health/readiness", "/readyz"] {
        let answer = client.get(path, As::Anyone).await.expect(503);
        assert_eq!(answer.json()["status"], "OUT_OF_SERVICE", "{path}");
        assert_eq!(answer.header("retry-after"), "5");
    }
    client.get("/livez", As::Anyone).await.expect(200);
    app.core
        .health
        .add("db", Weight::Needed, || async { Err("away".to_owned()) });
    let whole = client.get("/actuator/health", As::Anyone).await.expect(503);
    assert_eq!(whole.json()["status"], "DOWN", "the worst is said");
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
    let seen = |series: &str, labels: &str| {
        let mut lines = metrics.lines();
        lines.any(|line| line.starts_with(series) && line.contains(labels))
    };
    let unmatched = "method=\"GET\",uri=\"unmatched\",status=\"404\",outcome=\"CLIENT_ERROR\",\
                     exception=\"not-found\",error=\"not-found\"";
    for series in ["_count{", "_bucket{", "_max{"] {
        let series = format!("http_server_requests_seconds{series}");
        assert!(seen(&series, unmatched), "{series}: {metrics}");
    }
    assert!(
        seen(
            "http_server_requests_seconds_count{",
            "exception=\"None\",error=\"none\""
        ),
        "{metrics}"
    );
    let exchanges = client.get("/actuator/httpexchanges", &admin).await.text();
    assert!(
        !exchanges.contains("/actuator"),
        "probes and scrapes are not remembered"
    );
}

#[tokio::test]
async fn a_method_of_the_clients_own_makes_no_series() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let brew = Method::from_bytes(b"CNRYBREW").unwrap();
    Client::send(client.request(brew, "/me", &admin))
        .await
        .expect(405);
    for path in ["prometheus", "httpexchanges"] {
        let text = client.get(&format!("/actuator/{path}"), &admin).await.text();
        assert!(text.contains("OTHER") && !text.contains("CNRYBREW"), "{text}");
    }
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
    let unnamed = client
        .post("/actuator/loggers/a=warn,b", &admin, &set("DEBUG"))
        .await;
    assert_eq!(unnamed.problem(400), "malformed-request");
    client
        .post("/actuator/loggers/ROOT", &admin, &set("OFF"))
        .await
        .expect(204);
    client
        .post("/actuator/loggers/ROOT", &admin, &json!({}))
        .await
        .expect(204);
    let root = client.get("/actuator/loggers/ROOT", &admin).await.json();
    assert_eq!(root["configuredLevel"], "INFO", "as the settings say");
    for (media_type, status) in [
        ("application/vnd.spring-boot.actuator.v2+json", 204),
        ("application/vnd.spring-boot.actuator.v3+json", 204),
        ("application/json;charset=UTF-8", 204),
        ("text/plain", 415),
        ("application/xml", 415),
    ] {
        let request = client
            .request(Method::POST, "/actuator/loggers/common::http", &admin)
            .header("content-type", media_type)
            .body(set("INFO").to_string());
        Client::send(request).await.expect(status);
    }
}

#[tokio::test]
async fn a_scraper_may_name_the_metrics_it_wants_one_by_one() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    client.get("/me", &admin).await.expect(200);
    let wanted = "includedNames=process_uptime_seconds&includedNames=http_server_requests_seconds_count,x";
    let text = client
        .get(&format!("/actuator/prometheus?{wanted}"), &admin)
        .await
        .expect(200)
        .text();
    let mut families: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    families.sort_unstable();
    assert_eq!(
        families,
        ["http_server_requests_seconds", "process_uptime_seconds"],
        "{text}"
    );
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
        "process.start.time",
        "process.cpu.usage",
        "process.files.open",
        "process.files.max",
        "system.cpu.count",
        "system.load.average.1m",
        "disk.free",
        "disk.total",
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
    assert_eq!(metric["measurements"][1]["statistic"], "MAX");
    assert!(
        metric["measurements"][1]["value"].as_f64().unwrap() > 0.0,
        "{metric}"
    );
    assert_eq!(metric["baseUnit"], "seconds");
    assert!(!metric["description"].as_str().unwrap().is_empty());
    let usage = client
        .get("/actuator/metrics/process.cpu.usage", &admin)
        .await
        .json();
    let usage = usage["measurements"][0]["value"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&usage), "{usage}");
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
    let filtered = client
        .get("/actuator/env?pattern=^SERVER\\.p", &admin)
        .await
        .expect(200)
        .json();
    let defaults = filtered["propertySources"].as_array().unwrap().last().unwrap();
    assert_eq!(
        defaults["properties"],
        json!({ "server.port": { "value": "******" } })
    );
    for bad in ["(", "a{9999}{9999}"] {
        let answer = client.get(&format!("/actuator/env?pattern={bad}"), &admin).await;
        assert_eq!(answer.problem(400), "malformed-request", "{bad}");
    }
}
