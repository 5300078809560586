//! The one document of the whole API: put together from what the services say of themselves, and held against the
//! gateway's routes. `UPDATE_OPENAPI=1 cargo test -p e2e --test openapi` writes it anew (`make openapi`).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::page::{DEFAULT_LIMIT, MAX_LIMIT};
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
                    operation["operationId"] = json!(name_of(method, path));
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

/// `get_users_by_id` for `GET /users/{id}`: two services may call their functions the same.
fn name_of(method: &str, path: &str) -> String {
    let segment = |part: &str| match part.strip_prefix('{') {
        Some(parameter) => format!("by_{}", parameter.trim_end_matches('}')),
        None => part.replace(['-', '.'], "_").trim_matches('_').to_owned(),
    };
    let segments: Vec<String> = path.split('/').skip(1).map(segment).collect();
    format!("{method}_{}", segments.join("_"))
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
    for (status, answer) in answers.iter_mut() {
        describe(status, answer);
    }
    answers.insert("default".to_owned(), problem);
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["name"] == "limit" {
            parameter["schema"] =
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT });
        }
    }
}

/// Every answer says in words what it is, and an error's media type is that of problem documents.
fn describe(status: &str, answer: &mut Value) {
    if answer["description"].as_str().unwrap_or_default().is_empty() {
        let status = axum::http::StatusCode::from_bytes(status.as_bytes()).unwrap();
        answer["description"] = json!(status.canonical_reason().unwrap());
    }
    let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) else {
        return;
    };
    let is_problem = |body: &Value| {
        body["schema"]["$ref"]
            .as_str()
            .is_some_and(|name| name.ends_with("/ProblemDocument"))
    };
    if content.get("application/json").is_some_and(is_problem) {
        let body = content.remove("application/json").unwrap();
        content.insert("application/problem+json".to_owned(), body);
    }
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

/// What generators of clients stumble over.
#[test]
fn every_operation_has_a_name_of_its_own_and_every_answer_a_description() {
    let document = merged();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in METHODS.iter().filter_map(|method| item.get(method)) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name),
                "{name} stands twice, the second time at {path}"
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let in_path = path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()));
                assert_eq!(parameter["in"] == "path", in_path, "{name}, {parameter}");
            }
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let described = answer["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty());
                assert!(described, "{name}, {status}");
                let mut types = answer["content"].as_object().into_iter().flat_map(Map::keys);
                let is_error = status.starts_with(['4', '5']);
                assert!(
                    !is_error || types.all(|media_type| media_type == "application/problem+json"),
                    "{name}, {status}"
                );
            }
        }
    }
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
