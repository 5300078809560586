//! Eureka clients that nobody here wrote, unmodified, from their package registries.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::helpers::{As, Server};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// Without a network the installers try for a long time.
const PATIENCE: Duration = Duration::from_mins(2);

/// A step of an installation: a program, relative to the folder if it holds a slash, and its arguments.
type Step<'a> = (&'a str, &'a [&'a str]);

/// What became of some clients: they lived, or could not be installed for this reason.
struct Outcome {
    clients: Vec<String>,
    not_run: Option<String>,
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
        Self {
            clients,
            not_run: None,
        }
    }

    /// One for each client.
    fn lines(&self) -> impl Iterator<Item = String> {
        let result = match &self.not_run {
            None => "works".to_owned(),
            Some(why) => format!("NOT RUN: {why}"),
        };
        let clients = self.clients.iter();
        clients.map(move |client| format!("  {client:<48} {result}\n"))
    }

    fn not_run(clients: &[&str], why: String) -> Self {
        Self {
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
            not_run: Some(why),
        }
    }
}

#[tokio::test]
async fn clients_that_others_wrote_live_with_this_server() {
    let (npm, pypi, debian, crates) = tokio::join!(npm(), pypi(), prometheus(), rust_eureka());
    let outcomes = [npm, pypi, debian, crates];
    let lines: Vec<String> = outcomes.iter().flat_map(Outcome::lines).collect();
    let table = format!("Eureka clients from package registries:\n{}", lines.concat());
    // Also where the output of tests that pass is hidden.
    let _ = write!(std::io::stderr(), "{table}");
    let is_complete = outcomes.iter().all(|outcome| outcome.not_run.is_none());
    #[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
    let must_be = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(is_complete || !must_be, "{table}");
}

/// A folder in which `steps` have been carried out, once for each content of `list`; or why that is not possible.
async fn installed(name: &str, list: Option<&str>, steps: &[Step<'_>]) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("eureka-clients-{name}"));
    let wanted = list.map_or_else(String::new, |list| {
        std::fs::read_to_string(format!("{SCRIPTS}/{list}")).unwrap()
    });
    if std::fs::read_to_string(folder.join("installed")).is_ok_and(|done| done == wanted) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    if let Some(list) = list {
        std::fs::write(folder.join(list), &wanted).unwrap();
    }
    for (program, arguments) in steps {
        let path = if program.contains('/') {
            folder.join(program)
        } else {
            program.into()
        };
        let mut command = Command::new(path);
        command.args(*arguments).current_dir(&folder).kill_on_drop(true);
        let why = match timeout(PATIENCE, command.output()).await {
            Ok(Ok(output)) if output.status.success() => continue,
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no end in sight".to_owned(),
        };
        return Err(format!("`{program} {}`: {why}", arguments.join(" ")));
    }
    std::fs::write(folder.join("installed"), wanted).unwrap();
    Ok(folder)
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
    let options = [
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
    ];
    let folder = match installed("node", Some("package.json"), &[("npm", &options)]).await {
        Ok(folder) => folder,
        Err(why) => return Outcome::not_run(&clients, why),
    };
    let server = Server::start().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", folder.join("node_modules"));
    let said = run(&mut command, &server).await;
    server.stop().await;
    Outcome::lived(&said, &clients)
}

async fn pypi() -> Outcome {
    let clients = ["py-eureka-client", "spring-ready-python"];
    let steps: [Step<'_>; 2] = [
        ("python3", &["-m", "venv", "venv"]),
        (
            "venv/bin/pip",
            &["install", "--quiet", "--requirement", "requirements.txt"],
        ),
    ];
    let folder = match installed("python", Some("requirements.txt"), &steps).await {
        Ok(folder) => folder,
        Err(why) => return Outcome::not_run(&clients, why),
    };
    let server = Server::start().await;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(format!("{SCRIPTS}/python.py"));
    let said = run(&mut command, &server).await;
    server.stop().await;
    Outcome::lived(&said, &clients)
}

async fn prometheus() -> Outcome {
    let client = "prometheus (eureka_sd, by promtool)";
    // Only unpacked, not installed: its daemon would be started.
    let steps: [Step<'_>; 2] = [
        ("apt-get", &["download", "prometheus"]),
        ("sh", &["-c", "dpkg-deb --extract prometheus_*.deb ."]),
    ];
    let folder = match installed("prometheus", None, &steps).await {
        Ok(folder) => folder,
        Err(why) => return Outcome::not_run(&[client], why),
    };
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let config = format!(
        "scrape_configs: [{{job_name: fleet, eureka_sd_configs: [{{server: '{}'}}]}}]\n",
        server.url(As::Nobody).trim_end_matches('/')
    );
    let file = folder.join(format!("{}.yml", server.address.port()));
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(folder.join("usr/bin/promtool"));
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
    let folder = match installed("rust", Some(list), &[("sh", &[list])]).await {
        Ok(folder) => folder,
        Err(why) => return Outcome::not_run(&["rust-eureka"], why),
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
