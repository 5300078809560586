//! Eureka clients that nobody here wrote, unmodified, from their package registries.

use std::io::Write;

use common_testing::{Foreign, Step};
use tokio::process::Command;

use crate::helpers::{As, Server};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const FOREIGN: Foreign = Foreign {
    scripts: SCRIPTS,
    folder: env!("CARGO_TARGET_TMPDIR"),
    prefix: "eureka-clients",
};

/// What became of some clients: they lived, or could not be installed.
struct Outcome {
    clients: Vec<String>,
    lived: bool,
}

impl Outcome {
    /// The clients of whom `said` has a line that begins with `ok`. None of those in `expected` may be missing.
    fn lived(said: &str, expected: &[&str]) -> Self {
        let clients: Vec<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix("ok "))
            .map(str::to_owned)
            .collect();
        for client in expected {
            let is_named = |lived: &String| lived.split(' ').next() == Some(client);
            assert!(clients.iter().any(is_named), "{client} is not in {said}");
        }
        Self { clients, lived: true }
    }

    /// One for each client.
    fn lines(&self) -> impl Iterator<Item = String> {
        let result = if self.lived { "works" } else { "NOT RUN" };
        let clients = self.clients.iter();
        clients.map(move |client| format!("  {client:<48} {result}\n"))
    }

    fn not_run(clients: &[&str]) -> Self {
        Self {
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
            lived: false,
        }
    }
}

#[tokio::test]
async fn clients_that_others_wrote_live_with_this_server() {
    let (npm, pypi, debian, crates) = tokio::join!(npm(), pypi(), prometheus(), rust_eureka());
    let outcomes = [npm, pypi, debian, crates];
    let lines: Vec<String> = outcomes.iter().flat_map(Outcome::lines).collect();
    // Also where the output of tests that pass is hidden.
    let _ = write!(
        std::io::stderr(),
        "Eureka clients from package registries:\n{}",
        lines.concat()
    );
}

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

/// With and without deltas.
async fn npm() -> Outcome {
    let clients = ["eureka-js-client", "@rocketsoftware/eureka-js-client"];
    let Some(modules) = FOREIGN.node_modules().await else {
        return Outcome::not_run(&clients);
    };
    let server = Server::start().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", modules);
    let said = run(&mut command, &server).await;
    server.stop().await;
    Outcome::lived(&said, &clients)
}

async fn pypi() -> Outcome {
    let clients = ["py-eureka-client", "spring-ready-python"];
    let Some(python) = FOREIGN.python().await else {
        return Outcome::not_run(&clients);
    };
    let server = Server::start().await;
    let mut command = Command::new(python);
    command.arg(format!("{SCRIPTS}/python.py"));
    let said = run(&mut command, &server).await;
    server.stop().await;
    Outcome::lived(&said, &clients)
}

async fn prometheus() -> Outcome {
    let client = "prometheus (eureka_sd, by promtool)";
    let Some(promtool) = FOREIGN.promtool().await else {
        return Outcome::not_run(&[client]);
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
    Outcome::lived(&format!("ok {client}"), &["prometheus"])
}

/// Its own tests. Compiled once, for minutes; then they are at hand.
async fn rust_eureka() -> Outcome {
    let list = "rust-eureka.sh";
    let step: Step<'_> = ("sh", &[list]);
    let Some(folder) = FOREIGN.installed("rust", Some(list), &[step]).await else {
        return Outcome::not_run(&["rust-eureka"]);
    };
    let server = Server::start().await;
    let base = server.url(As::Admin);
    let mut command = Command::new("cargo");
    command
        .args(["test", "--package", "rust-eureka", "--test", "integration_tests"])
        .args(["--", "--ignored", "--test-threads=1"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("EUREKA_URI", base.trim_end_matches("/eureka/"));
    let said = run(&mut command, &server).await;
    assert!(said.contains("10 passed; 0 failed"), "{said}");
    server.stop().await;
    Outcome::lived("ok rust-eureka 0.2.0, its own 10 tests", &["rust-eureka"])
}
