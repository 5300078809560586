//! Eureka clients that nobody here wrote, unmodified, from their package registries.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::helpers::{As, Server};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// A step of an installation: a program, relative to the folder if it holds a slash, and its arguments.
type Step<'a> = (&'a str, &'a [&'a str]);

/// Say that a test has proved nothing, also where the output of tests that pass is hidden.
fn not_run(reason: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {reason}");
}

/// A folder in which `steps` have been carried out, once for each content of `list`. `None`, and a word about it, where
/// that is not possible.
async fn installed(name: &str, list: Option<&str>, steps: &[Step<'_>]) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("eureka-clients-{name}"));
    let wanted = list.map_or_else(String::new, |list| {
        std::fs::read_to_string(format!("{SCRIPTS}/{list}")).unwrap()
    });
    if std::fs::read_to_string(folder.join("installed")).is_ok_and(|done| done == wanted) {
        return Some(folder);
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
        let why = match Command::new(path)
            .args(*arguments)
            .current_dir(&folder)
            .output()
            .await
        {
            Ok(output) if output.status.success() => continue,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        not_run(&format!(
            "{name}: `{program} {}` failed: {why}",
            arguments.join(" ")
        ));
        return None;
    }
    std::fs::write(folder.join("installed"), wanted).unwrap();
    Some(folder)
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

#[tokio::test]
async fn npm_clients_live_with_and_without_deltas() {
    let options = [
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
    ];
    let Some(folder) = installed("node", Some("package.json"), &[("npm", &options)]).await else {
        return;
    };
    let server = Server::start().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", folder.join("node_modules"));
    let said = run(&mut command, &server).await;
    for client in ["eureka-js-client", "@rocketsoftware/eureka-js-client"] {
        assert!(said.contains(&format!("ok {client} ")), "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pypi_clients_live() {
    let steps: [Step<'_>; 2] = [
        ("python3", &["-m", "venv", "venv"]),
        (
            "venv/bin/pip",
            &["install", "--quiet", "--requirement", "requirements.txt"],
        ),
    ];
    let Some(folder) = installed("python", Some("requirements.txt"), &steps).await else {
        return;
    };
    let server = Server::start().await;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(format!("{SCRIPTS}/python.py"));
    let said = run(&mut command, &server).await;
    for client in ["py-eureka-client", "spring-ready-python"] {
        assert!(said.contains(&format!("ok {client} ")), "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn prometheus_finds_its_targets() {
    // Only unpacked, not installed: its daemon would be started.
    let steps: [Step<'_>; 2] = [
        ("apt-get", &["download", "prometheus"]),
        ("sh", &["-c", "dpkg-deb --extract prometheus_*.deb ."]),
    ];
    let Some(folder) = installed("prometheus", None, &steps).await else {
        return;
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
}

#[tokio::test]
#[ignore = "compiles another crate, which takes minutes"]
async fn the_suite_of_rust_eureka_passes() {
    let step: Step<'_> = ("sh", &["-c", "sh $0/rust-eureka.sh", SCRIPTS]);
    let Some(folder) = installed("rust", None, &[step]).await else {
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
