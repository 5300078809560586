//! Eureka clients that nobody here wrote, unmodified, from their package registries.

use common_testing::{Foreign, Step};
use tokio::process::Command;

use crate::helpers::{As, Server};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const FOREIGN: Foreign = Foreign {
    scripts: SCRIPTS,
    folder: env!("CARGO_TARGET_TMPDIR"),
    prefix: "eureka-clients",
};

/// Run `command` against `server`; what it said, if it succeeded.
async fn run(command: &mut Command, server: &Server) -> String {
    let (name, secret) = As::Admin.credential().unwrap();
    command
        .env("EUREKA_URL", server.url(As::Nobody))
        .env("EUREKA_NAME", name)
        .env("EUREKA_SECRET", secret);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[tokio::test]
async fn npm_clients_live_with_and_without_deltas() {
    let Some(modules) = FOREIGN.node_modules().await else {
        return;
    };
    let server = Server::start().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", modules);
    let said = run(&mut command, &server).await;
    for client in ["eureka-js-client", "@rocketsoftware/eureka-js-client"] {
        assert!(said.contains(&format!("ok {client} ")), "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pypi_clients_live() {
    let Some(python) = FOREIGN.python().await else {
        return;
    };
    let server = Server::start().await;
    let mut command = Command::new(python);
    command.arg(format!("{SCRIPTS}/python.py"));
    let said = run(&mut command, &server).await;
    for client in ["py-eureka-client", "spring-ready-python"] {
        assert!(said.contains(&format!("ok {client} ")), "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn prometheus_finds_its_targets() {
    let Some(promtool) = FOREIGN.promtool().await else {
        return;
    };
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let config = format!(
        "scrape_configs: [{{job_name: fleet, eureka_sd_configs: [{{server: '{}'}}]}}]\n",
        server.url(As::Nobody).trim_end_matches('/')
    );
    let file = promtool.with_file_name(format!("{}.yml", server.address.port()));
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(promtool);
    command
        .args(["check", "service-discovery", "--timeout=2s"])
        .arg(&file)
        .arg("fleet");
    let said = run(&mut command, &server).await;
    assert!(
        said.contains("\"__address__\": \"127.0.0.1:8081\"") && said.contains("USER-SERVICE"),
        "{said}"
    );
    std::fs::remove_file(file).unwrap();
    server.stop().await;
}

#[tokio::test]
#[ignore = "compiles another crate, which takes minutes"]
async fn the_suite_of_rust_eureka_passes() {
    let step: Step<'_> = ("sh", &["-c", "sh $0/rust-eureka.sh", SCRIPTS]);
    let Some(folder) = FOREIGN.installed("rust", None, &[step]).await else {
        return;
    };
    let server = Server::start().await;
    let base = server.url(As::Admin);
    let mut command = Command::new("cargo");
    command
        .args([
            "test",
            "--test",
            "integration_tests",
            "--",
            "--ignored",
            "--test-threads=1",
        ])
        .current_dir(folder.join("rust-eureka"))
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("EUREKA_URI", base.trim_end_matches("/eureka/"));
    let said = run(&mut command, &server).await;
    assert!(said.contains("10 passed; 0 failed"), "{said}");
    server.stop().await;
}
