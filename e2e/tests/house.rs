//! The rules of the house that no compiler holds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const SERVICES: [&str; 7] = [
    "discovery-server",
    "config-server",
    "api-gateway",
    "user-service",
    "appointment-service",
    "medical-record-service",
    "notification-service",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn services_depend_on_common_and_on_no_other_member() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let members: BTreeSet<_> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    for service in SERVICES {
        let package = packages
            .iter()
            .find(|package| package["name"] == service)
            .unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            let allowed = if dependency["kind"] == "dev" {
                "common-testing"
            } else {
                "common"
            };
            assert!(
                !members.contains(name) || name == "common" || name == allowed,
                "{service} depends on {name}"
            );
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn domain_code_does_no_io_reads_no_clock_and_is_not_async() {
    let banned = [
        "async fn",
        "sqlx::",
        "mongodb::",
        "axum::",
        "reqwest::",
        "lapin::",
        "tokio::",
        "std::env",
        "std::fs",
        "Clock",
    ];
    for service in SERVICES {
        for file in sources(&root().join(service).join("src/domain")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for word in banned {
                assert!(!text.contains(word), "{} says {word}", file.display());
            }
        }
    }
}

#[test]
fn frameworks_stay_where_they_belong() {
    let homes: [(&str, &[&str]); 2] = [
        ("sqlx::", &["store", "lib.rs", "error.rs", "main.rs"]),
        ("mongodb::", &["store", "lib.rs", "error.rs", "main.rs"]),
    ];
    for service in SERVICES {
        let src = root().join(service).join("src");
        for file in sources(&src.join("routes"))
            .into_iter()
            .chain(sources(&src.join("domain")))
        {
            let text = std::fs::read_to_string(&file).unwrap();
            for (word, home) in homes {
                assert!(
                    !text.contains(&format!("use {word}")),
                    "{} uses {word}: its home is {home:?}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn a_main_only_starts_things() {
    for service in SERVICES {
        let text = std::fs::read_to_string(root().join(service).join("src/main.rs")).unwrap();
        assert!(
            text.lines().count() <= 30,
            "{service}/src/main.rs is longer than 30 lines"
        );
    }
}

/// Who knows one service finds their way in all.
#[test]
fn every_service_has_the_same_shape() {
    let required = [
        "Cargo.toml",
        "config.default.yml",
        "src/main.rs",
        "src/lib.rs",
        "src/config.rs",
        "src/routes.rs",
        "src/routes",
        "src/domain.rs",
        "src/domain",
        "src/error.rs",
        "tests/api/main.rs",
    ];
    for service in SERVICES {
        let home = root().join(service);
        for name in required {
            assert!(home.join(name).exists(), "{service} has no {name}");
        }
        let keeps_rows = home.join("migrations").exists();
        assert!(
            !keeps_rows || home.join("src/store").exists(),
            "{service} has migrations and no src/store"
        );
    }
}

#[test]
fn what_goes_into_events_is_said_in_one_file() {
    for service in SERVICES {
        let src = root().join(service).join("src");
        for file in sources(&src) {
            let says = std::fs::read_to_string(&file).unwrap().contains("Payload::");
            let may = file == src.join("events.rs") || file.starts_with(src.join("domain"));
            assert!(!says || may, "{} says what goes into events", file.display());
        }
    }
}
