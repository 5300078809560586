//! Clients of Spring Cloud Config that nobody here wrote, unmodified, from their package registries.

use common_testing::Foreign;
use tokio::process::Command;

use crate::helpers::{ADMIN, Folder, SVC, Server, secret};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const FOREIGN: Foreign = Foreign {
    scripts: SCRIPTS,
    folder: env!("CARGO_TARGET_TMPDIR"),
    prefix: "config-clients",
};

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
    let Some(modules) = FOREIGN.node_modules().await else {
        return;
    };
    let (server, _folder) = server().await;
    let mut command = Command::new("node");
    command
        .arg(format!("{SCRIPTS}/node.js"))
        .env("NODE_PATH", modules);
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
    let Some(python) = FOREIGN.python().await else {
        return;
    };
    let (server, _folder) = server().await;
    let mut command = Command::new(python);
    command
        .arg(format!("{SCRIPTS}/python.py"))
        .current_dir(FOREIGN.folder);
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
