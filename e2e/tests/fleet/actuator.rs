//! The monitoring endpoints of all seven services as they run.

use std::collections::BTreeSet;

use e2e::Session;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::cast::{self, answer, refused};
use crate::processes::{COMMIT, Fleet, SERVICES};

/// A path under `/actuator`, and whether what it answers says something.
type Closed = (&'static str, fn(&str, &Value) -> bool);

const CLOSED: [Closed; 11] = [
    ("", |_, a| a["_links"].as_object().unwrap().len() > 10),
    ("/metrics", |service, a| {
        let names: BTreeSet<String> = texts(&a["names"]);
        metrics(service).all(|name| names.contains(name))
    }),
    ("/metrics/process.uptime", |_, a| {
        a["measurements"][0]["value"].as_f64() > Some(0.0)
    }),
    ("/metrics/application.ready.time", |_, a| {
        a["measurements"][0]["value"].as_f64() > Some(0.0)
    }),
    ("/env", |_, a| {
        let sources = a["propertySources"].as_array().unwrap();
        let mut ports = sources.iter().map(|source| &source["properties"]["server.port"]);
        ports.any(|port| port["value"] == "******")
    }),
    ("/env/server.port", |_, a| {
        a["property"]["source"] == "environment"
    }),
    ("/configprops", |service, a| {
        a["contexts"][service]["beans"]["server"]["prefix"] == "server"
    }),
    ("/mappings", |service, a| {
        let all = &a["contexts"][service]["mappings"]["dispatcherHandlers"]["webHandler"];
        let paths: BTreeSet<String> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|mapping| texts(&mapping["details"]["requestMappingConditions"]["patterns"]))
            .flat_map(BTreeSet::into_iter)
            .collect();
        [served(service), "/actuator/loggers/{name}", "/livez"]
            .iter()
            .all(|path| paths.contains(*path))
    }),
    ("/scheduledtasks", |_, a| {
        !a["custom"][0]["runnable"]["target"].as_str().unwrap().is_empty()
    }),
    ("/loggers", |_, a| {
        a["loggers"]["ROOT"]["effectiveLevel"] == "INFO"
    }),
    ("/loggers/ROOT", |_, a| a["configuredLevel"] == "INFO"),
];

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a dashboard looks for.
fn metrics(service: &str) -> impl Iterator<Item = &'static str> {
    let pool: &[_] = match service {
        "user-service" | "appointment-service" | "notification-service" => &[
            "jdbc.connections.active",
            "jdbc.connections.max",
            "hikaricp.connections",
        ],
        _ => &[],
    };
    let calls: &[_] = match service {
        "appointment-service" => &["http.client.requests"],
        _ => &[],
    };
    let all = [
        "application.ready.time",
        "application.started.time",
        "disk.free",
        "disk.total",
        "http.server.requests",
        "logback.events",
        "process.cpu.usage",
        "process.files.max",
        "process.files.open",
        "process.start.time",
        "process.uptime",
        "system.cpu.count",
        "system.load.average.1m",
    ];
    all.into_iter()
        .chain(pool.iter().copied())
        .chain(calls.iter().copied())
}

/// One path of each service's own.
fn served(service: &str) -> &'static str {
    match service {
        "config-server" => "/{name}/{profiles}",
        "discovery-server" => "/eureka/apps/{app}/{id}",
        "user-service" => "/internal/users/{id}",
        "appointment-service" => "/internal/relationships",
        "medical-record-service" => "/records/{patient_id}",
        "notification-service" => "/webhooks/twilio/status",
        _ => "/openapi.json",
    }
}

/// Whoever may see everything: an administrator, and the service's own credential.
fn operators(
    fleet: &Fleet,
    service: &'static str,
    request: impl Fn() -> RequestBuilder,
    admin: &Session,
) -> [RequestBuilder; 2] {
    let token = &admin.login.access_token;
    [
        request().bearer_auth(token),
        request().basic_auth(service, Some(fleet.secret(service))),
    ]
}

/// Nobody else comes in, and whoever does finds something.
pub(crate) async fn for_operators(fleet: &Fleet) {
    let (admin, patient) = (cast::admin(fleet).await, cast::patient(fleet).await);
    // So that there is a call between services to be counted.
    cast::visit(&patient, &cast::doctor(fleet).await).await;
    for service in SERVICES {
        let direct = fleet.direct(service);
        let mut paths: Vec<(Method, String, Option<Closed>)> = CLOSED
            .iter()
            .map(|closed| (Method::GET, format!("/actuator{}", closed.0), Some(*closed)))
            .collect();
        paths.push((Method::POST, "/actuator/loggers/fleet_test".to_owned(), None));
        for (method, path, closed) in paths {
            let what = format!("{method} {path} of {service}");
            let request = || {
                let request = direct.request(method.clone(), &path);
                match method {
                    Method::POST => request.json(&json!({})),
                    _ => request,
                }
            };
            refused(&answer(request()).await, 401, &what);
            let token = &patient.login.access_token;
            refused(&answer(request().bearer_auth(token)).await, 403, &what);
            for request in operators(fleet, service, request, &admin) {
                let answer = answer(request).await;
                assert!(answer.status.is_success(), "{what}: {}", answer.body);
                let Some((_, says)) = closed else { continue };
                assert!(says(service, &answer.body), "{what}: {}", answer.body);
            }
        }
    }
}

/// What everybody may see, and what of it only operators.
pub(crate) async fn health_and_info(fleet: &Fleet) {
    let admin = cast::admin(fleet).await;
    for service in SERVICES {
        let direct = fleet.direct(service);
        let whole = answer(direct.request(Method::GET, "/actuator/health")).await;
        assert_eq!(whole.body["status"], "UP", "{service}: {}", whole.body);
        let components = whole.body["components"].as_object().unwrap();
        for name in ["ping", "diskSpace", "livenessState", "readinessState"] {
            assert_eq!(components[name], json!({ "status": "UP" }), "{service}");
        }
        let request = || direct.request(Method::GET, "/actuator/health");
        for request in operators(fleet, service, request, &admin) {
            let health = answer(request).await.body;
            let disk = &health["components"]["diskSpace"]["details"];
            assert!(
                disk["total"].as_u64() > disk["free"].as_u64(),
                "{service}: {health}"
            );
            if ["user-service", "appointment-service", "medical-record-service"].contains(&service) {
                let outbox = &health["components"]["outbox"]["details"];
                assert!(outbox["pending"].is_u64(), "{service}: {health}");
            }
        }
        let info = answer(
            direct
                .request(Method::GET, "/actuator/info")
                .bearer_auth(&admin.login.access_token),
        );
        let info = info.await.body;
        assert_eq!(info["build"]["artifact"], service);
        assert_eq!(info["git"]["commit"]["id"], COMMIT, "{service}");
    }
}

/// Requests show up by template, without what they asked for.
pub(crate) async fn exchanges(fleet: &Fleet) {
    let admin = cast::admin(fleet).await;
    for service in SERVICES {
        let direct = fleet.direct(service);
        answer(direct.request(Method::GET, "/nowhere/at/all/CNRY?token=CNRY")).await;
        let list = direct.request(Method::GET, "/actuator/httpexchanges");
        let list = answer(list.bearer_auth(&admin.login.access_token)).await.body;
        let first = &list["exchanges"][0];
        assert!(first["response"]["status"].is_u64(), "{service}: {list}");
        assert!(!list.to_string().contains("CNRY"), "{service}: {list}");
        let uris = list["exchanges"].as_array().unwrap().iter();
        for uri in uris.map(|exchange| exchange["request"]["uri"].as_str().unwrap()) {
            assert!(!uri.starts_with("/actuator"), "{service}: {uri}");
        }
    }
}
