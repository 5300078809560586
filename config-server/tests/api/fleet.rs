//! The files in `config/`, which the fleet is served.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::config::{Layer, flatten};
use serde_json::{Value, json};

use crate::helpers::{ADMIN, Server};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn keys(path: &Path) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flatten(&Layer::yaml("file", &text).unwrap().values)
}

/// The kinds of a value, so that a number is not replaced by a text.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "truth",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

#[test]
fn every_key_is_one_that_the_service_knows() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        let service = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut known = keys(&root().join("common/config.default.yml"));
        if service != "application" {
            known.extend(keys(&root().join(&service).join("config.default.yml")));
        }
        for (key, value) in keys(&path) {
            let default = known
                .get(&key)
                .unwrap_or_else(|| panic!("{service}: nobody knows '{key}'"));
            assert!(
                *default == Value::Null || kind(default) == kind(&value),
                "{service}: '{key}' is another kind"
            );
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// The keys that a service says take effect at a refresh, and their beginnings.
fn at_once(path: &Path) -> Vec<String> {
    let live = keys(path).remove("live").unwrap_or_default();
    let keys = live.as_array().into_iter().flatten();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// What is served to running services must do something to them; the services' own tests show that it does.
#[test]
fn every_key_takes_effect_without_a_restart() {
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        let service = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut live = at_once(&root().join("common/config.default.yml"));
        if service != "application" {
            live.extend(at_once(&root().join(&service).join("config.default.yml")));
        }
        for key in keys(&path).keys() {
            let promised = live
                .iter()
                .any(|one| key == one || key.starts_with(&format!("{one}.")));
            assert!(promised, "{service}: '{key}' waits for a restart");
        }
    }
}

#[tokio::test]
async fn they_are_served_as_they_stand() {
    let server = Server::start(&format!(
        "config: {{folder: '{}'}}",
        root().join("config").display()
    ))
    .await;
    let view = server.json(ADMIN, "/notification-service-default.json").await;
    assert_eq!(view["reminders"]["offsets_min"], json!([1440, 120]));
    assert_eq!(view["log"]["level"], "info");
}
