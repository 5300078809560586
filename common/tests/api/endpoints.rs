//! Every monitoring endpoint: who may, and what is in it.

use std::collections::BTreeSet;

use common::auth::Role;
use common::ids::UserId;
use common_testing::{Answer, As, Client};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{NAME, TestApp};

/// An endpoint that is not for everybody.
struct Closed {
    method: Method,
    /// As the mappings show it.
    template: &'static str,
    path: &'static str,
    /// Whether an operator's answer says something.
    meaningful: fn(&Answer) -> bool,
}

fn read(template: &'static str, path: &'static str, meaningful: fn(&Answer) -> bool) -> Closed {
    Closed {
        method: Method::GET,
        template,
        path,
        meaningful,
    }
}

fn table() -> Vec<Closed> {
    vec![
        read("", "", |a| {
            at(a, "/_links/health/href").ends_with("/actuator/health")
        }),
        read("/prometheus", "/prometheus", |a| {
            a.text().contains("\nhttp_server_requests_seconds_count{")
        }),
        read("/metrics", "/metrics", |a| {
            a.json()["names"].as_array().unwrap().len() > 10
        }),
        read("/metrics/{name}", "/metrics/process.uptime", |a| {
            a.json().pointer("/measurements/0/value").unwrap().as_f64() > Some(0.0)
        }),
        read("/env", "/env", |a| {
            at(a, "/propertySources/1/properties/server.port/value") == "******"
        }),
        read("/env/{key}", "/env/server.port", |a| {
            at(a, "/property/source") == "defaults"
        }),
        read("/configprops", "/configprops", |a| {
            at(a, "/contexts/trial-service/beans/service/properties/secret") == "******"
        }),
        read("/mappings", "/mappings", |a| mapped(&a.json()).contains("/me")),
        read("/scheduledtasks", "/scheduledtasks", |a| {
            at(a, "/custom/0/runnable/target") == "test-server"
        }),
        read("/httpexchanges", "/httpexchanges", |a| {
            at(a, "/exchanges/0/request/uri") == "/me"
        }),
        read("/loggers", "/loggers", |a| {
            at(a, "/loggers/ROOT/configuredLevel") == "INFO"
        }),
        read("/loggers/{name}", "/loggers/ROOT", |a| {
            at(a, "/effectiveLevel") == "INFO"
        }),
        Closed {
            method: Method::POST,
            template: "/loggers/{name}",
            path: "/loggers/common::http",
            meaningful: |a| a.status == StatusCode::NO_CONTENT,
        },
        Closed {
            method: Method::POST,
            template: "/refresh",
            path: "/refresh",
            meaningful: |a| a.json().is_array(),
        },
        // The service of these tests has no bus, and says so to whoever may know.
        Closed {
            method: Method::POST,
            template: "/busrefresh",
            path: "/busrefresh",
            meaningful: |a| a.problem(404) == "no-bus",
        },
        Closed {
            method: Method::POST,
            template: "/busrefresh/{destination}",
            path: "/busrefresh/trial-service",
            meaningful: |a| a.problem(404) == "no-bus",
        },
    ]
}

const OPEN: [&str; 4] = [
    "/actuator/health",
    "/actuator/health/{name}",
    "/actuator/health/{group}/{name}",
    "/actuator/info",
];

fn at(answer: &Answer, pointer: &str) -> String {
    let document = answer.json();
    let found = document.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// Every path of the mappings.
fn mapped(document: &Value) -> BTreeSet<String> {
    let all = document.pointer("/contexts/trial-service/mappings/dispatcherHandlers/webHandler");
    let pattern = |mapping: &Value| {
        let conditions = &mapping["details"]["requestMappingConditions"];
        assert!(!conditions["methods"].as_array().unwrap().is_empty(), "{mapping}");
        conditions["patterns"][0].as_str().unwrap().to_owned()
    };
    all.unwrap().as_array().unwrap().iter().map(pattern).collect()
}

#[tokio::test]
async fn each_is_for_operators_only_and_says_something() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    client.get("/me", &admin).await.expect(200);
    for Closed {
        method,
        template: _,
        path,
        meaningful,
    } in table()
    {
        let path = format!("/actuator{path}");
        let ask = |who: As<'_>| {
            let request = client.request(method.clone(), &path, who);
            match method {
                Method::POST => request.json(&json!({})),
                _ => request,
            }
        };
        let denied = Client::send(ask(As::Anyone)).await;
        assert_eq!(denied.problem(401), "unauthorized", "{path}");
        for role in [Role::Patient, Role::Doctor] {
            let token = app.mint.access(UserId::generate(), role);
            Client::send(ask(As::Token(&token))).await.expect(403);
        }
        for (name, secret) in [(NAME, "wrong"), ("user-service", "trial-secret"), (NAME, "")] {
            let wrong = ask(As::Anyone).basic_auth(name, Some(secret));
            Client::send(wrong).await.expect(401);
        }
        for good in [
            ask(As::Token(&admin)),
            ask(As::Anyone).basic_auth(NAME, Some("trial-secret")),
        ] {
            let answer = Client::send(good).await;
            assert!(meaningful(&answer), "{path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_mappings_show_everything_that_is_served_and_the_table_above_all_of_ours() {
    let app = TestApp::start().await;
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let answer = app.server.client().get("/actuator/mappings", &admin).await;
    let mapped = mapped(&answer.expect(200).json());
    let own: BTreeSet<String> = mapped
        .iter()
        .filter(|path| path.starts_with("/actuator"))
        .cloned()
        .collect();
    let closed = table();
    let known = closed
        .iter()
        .map(|endpoint| format!("/actuator{}", endpoint.template));
    assert_eq!(own, known.chain(OPEN.map(str::to_owned)).collect());
    for path in [
        "/me",
        "/admin",
        "/internal/thing",
        "/things",
        "/panic",
        "/livez",
        "/readyz",
    ] {
        assert!(mapped.contains(path), "{path}");
    }
}

#[tokio::test]
async fn documents_are_called_what_the_client_asks_for() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let v3 = "application/vnd.spring-boot.actuator.v3+json";
    let v2 = "application/vnd.spring-boot.actuator.v2+json";
    for (accept, expected) in [
        ("*/*", v3),
        ("text/html, */*;q=0.8", v3),
        (v2, v2),
        ("application/json", "application/json"),
        (
            "application/json;q=0.5, application/vnd.spring-boot.actuator.v2+json;q=0.9",
            v2,
        ),
        ("application/json;q=0, application/*", v3),
        ("image/png", v3),
    ] {
        let request = client.request(Method::GET, "/actuator/info", As::Anyone);
        let answer = Client::send(request.header("accept", accept)).await.expect(200);
        assert_eq!(answer.header("content-type"), expected, "{accept}");
    }
}

#[tokio::test]
async fn what_was_built_is_told_when_it_is_known() {
    let unknown = TestApp::start().await;
    let info = unknown.server.client().get("/actuator/info", As::Anyone).await;
    assert_eq!(info.json()["build"]["artifact"], NAME);
    assert_eq!(info.json().get("git"), None);
    let build = "{build: {commit: 0ddba11, branch: main, commit_time: '2026-01-02T03:04:05Z', time: '2026-01-03T00:00:00Z'}}";
    let known = TestApp::with(build).await;
    let info = known
        .server
        .client()
        .get("/actuator/info", As::Anyone)
        .await
        .json();
    assert_eq!(info["build"]["time"], "2026-01-03T00:00:00Z");
    let git = json!({ "branch": "main", "commit": { "id": "0ddba11", "time": "2026-01-02T03:04:05Z" } });
    assert_eq!(info["git"], git);
}
