//! The program itself, as an operator starts it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use common::mysql::{self, MySqlSettings};
use common_testing::{As, Client, eventually, mysql_url};
use sqlx::MySqlPool;
use user_service::MIGRATOR;

use crate::helpers::{ADMIN_EMAIL, ADMIN_PASSWORD, MASTER_KEY, SERVICE_SECRET};

/// A database of its own and what the program is told about it.
pub struct Site {
    pub db: MySqlPool,
    pub url: String,
}

/// A program that serves; killed when dropped.
pub struct Process {
    pub client: Client,
    child: Child,
    log: PathBuf,
}

impl Site {
    pub async fn new() -> Self {
        let url = mysql_url().await;
        let settings = MySqlSettings {
            url: Some(url.clone().into()),
            max_connections: 12,
            acquire_timeout_ms: 10_000,
        };
        let db = mysql::connect(&settings, &MIGRATOR).await.unwrap();
        Self { db, url }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_user-service"));
        command.args(arguments).env_clear().stdin(Stdio::null()).envs([
            ("MYSQL_URL", &*self.url),
            ("AMQP_URL", "amqp://127.0.0.1:1"),
            ("MASTER_KEY", MASTER_KEY),
            ("ADMIN_EMAIL", ADMIN_EMAIL),
            ("ADMIN_PASSWORD", ADMIN_PASSWORD),
            (
                "SERVICE_SECRETS",
                &format!("notification-service:{SERVICE_SECRET}"),
            ),
            ("PASSWORD_MEMORY_KIB", "64"),
            ("LOG_LEVEL", "debug"),
            ("LOG_FORMAT", "json"),
        ]);
        command
    }

    /// Run it with these arguments until it ends by itself.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Start it to serve, and wait until it does.
    pub async fn serve(&self) -> Process {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = std::env::temp_dir().join(format!("user-service-{}.log", uuid::Uuid::now_v7()));
        let file = std::fs::File::create(&log).unwrap();
        let child = self
            .command(&[])
            .env("USER_SERVICE_PORT", port.to_string())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let process = Process {
            client: Client::new(&format!("http://{address}")),
            child,
            log,
        };
        eventually("the program listens", || async {
            tokio::net::TcpStream::connect(&address).await.ok()
        })
        .await;
        process.client.get("/livez", As::Anyone).await.expect(200);
        process
    }
}

impl Process {
    /// Stop it as an operator does, and read all that it has logged.
    pub async fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        eventually("the program has stopped", || {
            let stopped = self.child.try_wait().unwrap();
            std::future::ready(stopped)
        })
        .await;
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have stopped already.
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.log).ok();
    }
}
