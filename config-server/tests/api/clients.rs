//! Clients of Spring Cloud Config that nobody here wrote, unmodified, from their package registries.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::helpers::{ADMIN, Folder, SVC, Server, not_run, secret};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// Without a network the installers try for a long time.
const PATIENCE: Duration = Duration::from_mins(5);

const FILES: &[(&str, &str)] = &[
    (
        "configurations/application.yml",
        "db: {host: db.example, port: 3306}\nlist: [x, y, z]\nwho: application\n",
    ),
    (
        "configurations/svc.yml",
        "who: svc\nlist: [a, b]\ndb:\n  url: 'mysql://${db.host}:${db.port}'\n  \
         password: '{cipher}682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda'\n",
    ),
    ("configurations/svc-dev.yml", "who: svc-dev\ndb.port: 3307\n"),
    ("configurations/svc-mysql.properties", "who=svc-mysql\n"),
    ("configurations/feature/x/svc.yml", "from.label: true\n"),
    ("configurations/other.yml", "who: other\n"),
    ("configurations/note.txt", "for ${db.host}\n"),
];

const KEYS: &str = "encrypt:\n  key: 0123456789abcdef0123456789abcdef\n  legacy_key: foo\n";

async fn server() -> (Server, Folder) {
    let folder = Folder::with(FILES);
    let settings = format!(
        "config:\n  folder: {}/configurations\n{KEYS}",
        folder.path().display()
    );
    (Server::start(&settings).await, folder)
}

/// Install the packages that `list` names, once. `None`, and a word about it, if that is not possible here.
async fn installed(tool: &str, list: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-clients-{tool}"));
    let wanted = std::fs::read_to_string(format!("{SCRIPTS}/{list}")).unwrap();
    if std::fs::read_to_string(folder.join("installed")).is_ok_and(|done| done == wanted) {
        return Some(folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(list), &wanted).unwrap();
    let steps: &[&[&str]] = match tool {
        "node" => &[&[
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
        ]],
        _ => &[
            &["python3", "-m", "venv", "venv"],
            &["venv/bin/pip", "install", "--quiet", "--requirement", list],
        ],
    };
    for step in steps {
        let program = if step[0].contains('/') {
            folder.join(step[0])
        } else {
            step[0].into()
        };
        let mut command = Command::new(program);
        command.args(&step[1..]).current_dir(&folder).kill_on_drop(true);
        let Ok(done) = tokio::time::timeout(PATIENCE, command.output()).await else {
            not_run(&format!("{step:?} took longer than {PATIENCE:?}"));
            return None;
        };
        match done {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                not_run(&format!(
                    "{step:?} failed: {}",
                    String::from_utf8_lossy(&output.stderr)
                ));
                return None;
            }
            Err(error) => {
                not_run(&format!(
                    "{} is not here ({error}), so the {tool} clients were not tried",
                    step[0]
                ));
                return None;
            }
        }
    }
    std::fs::write(folder.join("installed"), wanted).unwrap();
    Some(folder)
}

async fn run(mut command: Command, server: &Server, clients: &[&str]) {
    command.env("CONFIG_URL", format!("http://{}", server.running.address));
    command
        .env("CONFIG_NAME", SVC)
        .env("CONFIG_SECRET", secret(SVC))
        .env("CONFIG_ADMIN_SECRET", secret(ADMIN));
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for client in clients {
        assert!(
            said.contains(&format!("ok {client} ")),
            "{client} was not run:\n{said}"
        );
    }
}

#[tokio::test]
async fn npm_clients_read_everything() {
    let Some(folder) = installed("node", "package.json").await else {
        return;
    };
    let (server, _folder) = server().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", folder.join("node_modules"));
    run(
        command,
        &server,
        &[
            "cloud-config-client",
            "nice-cloud-config-client",
            "spring-cloud-config",
        ],
    )
    .await;
}

#[tokio::test]
async fn pypi_clients_read_everything() {
    let Some(folder) = installed("python", "requirements.txt").await else {
        return;
    };
    let (server, _folder) = server().await;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(format!("{SCRIPTS}/python.py")).current_dir(&folder);
    let clients = [
        "config-client",
        "config-server-client-python",
        "ecmind-spring-config",
        "spring-centralized-config-client",
        "spring-config-client",
        "spring-config-client-python",
        "spring-ready-python",
    ];
    run(command, &server, &clients).await;
}
