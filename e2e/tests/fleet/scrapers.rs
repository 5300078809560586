//! Readers of metrics and health that nobody here wrote, unmodified, from their package registries.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common_testing::Foreign;
use reqwest::Method;
use tokio::process::Command;

use crate::cast;
use crate::processes::{Fleet, SERVICES};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const FOREIGN: Foreign = Foreign {
    scripts: SCRIPTS,
    folder: env!("CARGO_TARGET_TMPDIR"),
    prefix: "scrapers",
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// What promtool dislikes, but those are the names which dashboards ask for: Micrometer's, Spring Cloud Gateway's labels.
const DISLIKED: [&str; 3] = [
    "system_cpu_count non-histogram and non-summary metrics should not have \"_count\" suffix",
    "spring_cloud_gateway_requests_seconds label names should be written in 'snake_case' not 'camelCase'",
    "spring_cloud_gateway_requests_seconds_max label names should be written in 'snake_case' not 'camelCase'",
];

/// The metrics of every service in a file each, in the format that `accept` names.
async fn scraped(fleet: &Fleet, accept: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for service in SERVICES {
        let request = fleet
            .direct(service)
            .request(Method::GET, "/actuator/prometheus")
            .header("accept", accept)
            .bearer_auth(&cast::admin(fleet).await.login.access_token);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        let file = fleet.folder().join(format!("{service}.{ending}"));
        std::fs::write(&file, answer.bytes().await.unwrap()).unwrap();
        files.push(file);
    }
    files
}

/// What `command` said, if it succeeded.
async fn run(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    said
}

/// Every metric has a meaning, a unit and an ending that Prometheus's own linter accepts.
pub(crate) async fn promtool(fleet: &Fleet) {
    let Some(promtool) = FOREIGN.promtool().await else {
        return;
    };
    for file in scraped(fleet, "text/plain", "prom").await {
        let said = lint(&promtool, &file).await;
        let disliked: Vec<&str> = said.lines().filter(|line| !DISLIKED.contains(line)).collect();
        assert!(disliked.is_empty(), "{}: {disliked:#?}", file.display());
    }
}

async fn lint(promtool: &Path, file: &Path) -> String {
    let output = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::from(std::fs::File::open(file).unwrap()))
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // 3 is its word for "readable, but not as it should be".
    assert!([Some(0), Some(3)].contains(&output.status.code()), "{said}");
    said
}

pub(crate) async fn pypi(fleet: &Fleet) {
    let Some(python) = FOREIGN.python().await else {
        return;
    };
    let mut command = Command::new(python);
    command.arg(format!("{SCRIPTS}/python.py"));
    command.args(scraped(fleet, "text/plain", "prom").await);
    command.args(scraped(fleet, OPEN_METRICS, "openmetrics").await);
    let said = run(&mut command).await;
    assert_eq!(
        said.matches("ok prometheus-client ").count(),
        2 * SERVICES.len(),
        "{said}"
    );
}

pub(crate) async fn npm(fleet: &Fleet) {
    let Some(modules) = FOREIGN.node_modules().await else {
        return;
    };
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", modules);
    command.args(scraped(fleet, "text/plain", "prom").await);
    let said = run(&mut command).await;
    let each = "ok parse-prometheus-text-format ";
    assert_eq!(said.matches(each).count(), SERVICES.len(), "{said}");
}
