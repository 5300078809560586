//! The one document of the whole API: put together from what the services say of themselves, and held against the
//! gateway's routes. `UPDATE_OPENAPI=1 cargo test -p e2e --test openapi` writes it anew (`make openapi`).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Each service's name in the document, and what it says of itself.
fn services() -> Vec<(&'static str, Value)> {
    let document = |api: utoipa::openapi::OpenApi| serde_json::to_value(api).unwrap();
    let mut services = vec![
        ("Account", document(user_service::openapi())),
        ("Appointment", document(appointment_service::openapi())),
        ("Record", document(medical_record_service::openapi())),
        ("Notification", document(notification_service::openapi())),
    ];
    let ambiguous = ambiguous(&services);
    for (owner, api) in &mut services {
        for name in &ambiguous {
            rename(api, name, &format!("{owner}{name}"));
        }
    }
    services
}

/// Names under which two services describe different things.
fn ambiguous(services: &[(&'static str, Value)]) -> BTreeSet<String> {
    let mut seen = Map::new();
    let mut ambiguous = BTreeSet::new();
    for (_, api) in services {
        for (name, schema) in api["components"]["schemas"].as_object().into_iter().flatten() {
            if seen.get(name).is_some_and(|before| before != schema) {
                ambiguous.insert(name.clone());
            }
            seen.insert(name.clone(), schema.clone());
        }
    }
    ambiguous
}

fn rename(api: &mut Value, from: &str, to: &str) {
    if let Some(schema) = api["components"]["schemas"]
        .as_object_mut()
        .and_then(|all| all.remove(from))
    {
        api["components"]["schemas"][to] = schema;
        let reference = |name: &str| format!("\"#/components/schemas/{name}\"");
        *api = serde_json::from_str(&api.to_string().replace(&reference(from), &reference(to))).unwrap();
    }
}

/// Everything that is public, under one tag for each service.
fn merged() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for (tag, mut api) in services() {
        let public = api["paths"].as_object_mut().unwrap();
        public.retain(|path, _| !path.starts_with("/internal"));
        for (path, item) in public {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    complete(operation, tag, path);
                }
            }
            let known = paths.entry(path.clone()).or_insert_with(|| json!({}));
            known
                .as_object_mut()
                .unwrap()
                .extend(item.as_object().unwrap().clone());
        }
        for (name, schema) in api["components"]["schemas"].as_object().into_iter().flatten() {
            schemas.insert(name.clone(), schema.clone());
        }
    }
    paths.sort_keys();
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Healthcare",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, appointments, medical records and notifications. Log in with `POST /login` and send the \
                access token as `Authorization: Bearer …`. Every error is a problem document (RFC 9457).",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

/// What holds for every operation, said once here: its tag, its token, and what it answers when things go wrong.
fn complete(operation: &mut Value, tag: &str, path: &str) {
    operation["tags"] = json!([format!("{tag}s")]);
    let public = route(path).is_some_and(|route| route["who"] == "public");
    operation["security"] = if public {
        json!([])
    } else {
        json!([{ "bearer": [] }])
    };
    let problem = json!({
        "description": "A problem document",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemDocument" } } },
    });
    let answers = operation["responses"].as_object_mut().unwrap();
    answers.insert("default".to_owned(), problem);
}

fn routes() -> Vec<Value> {
    let text = std::fs::read_to_string(file("api-gateway/config.default.yml")).unwrap();
    let settings: Value = serde_saphyr::from_str(&text).unwrap();
    settings["gateway"]["routes"].as_array().unwrap().clone()
}

fn route(path: &str) -> Option<Value> {
    routes()
        .into_iter()
        .find(|route| anonymous(route["path"].as_str().unwrap()) == anonymous(path))
}

/// Names of parameters do not matter.
fn anonymous(path: &str) -> String {
    let segment = |part: &str| {
        if part.starts_with('{') {
            "{}".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[test]
fn the_document_is_up_to_date() {
    let text = format!("{:#}\n", merged());
    let path = file("api-gateway/openapi.json");
    #[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
    if std::env::var("UPDATE_OPENAPI").is_ok() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == text,
        "api-gateway/openapi.json is out of date: `make openapi` writes it anew"
    );
}

#[test]
fn what_is_routed_is_described_and_what_is_described_is_routed() {
    let document = merged();
    let operations = |path: &str, methods: Vec<String>| {
        methods
            .into_iter()
            .map(move |m| (anonymous(path), m))
            .collect::<Vec<_>>()
    };
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            operations(
                path,
                METHODS
                    .iter()
                    .filter(|m| item.get(**m).is_some())
                    .map(|m| m.to_uppercase())
                    .collect(),
            )
        })
        .collect();
    let routed: BTreeSet<_> = routes()
        .iter()
        .flat_map(|route| {
            let methods = route["methods"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m.as_str().unwrap().to_owned())
                .collect();
            operations(route["path"].as_str().unwrap(), methods)
        })
        .collect();
    let missing: Vec<_> = routed.difference(&described).collect();
    assert!(missing.is_empty(), "routed, but not described: {missing:?}");
    let dead: Vec<_> = described.difference(&routed).collect();
    assert!(dead.is_empty(), "described, but not routed: {dead:?}");
}
