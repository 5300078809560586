//! Starting, killing and stopping a fleet of its own: own ports, own databases, own folder.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common_testing::Proxy;
use e2e::{Api, wait};
use uuid::Uuid;

/// In the order of starting.
pub(crate) const SERVICES: [&str; 7] = [
    "config-server",
    "discovery-server",
    "user-service",
    "appointment-service",
    "medical-record-service",
    "notification-service",
    "api-gateway",
];

/// What the services are told of their build.
pub(crate) const COMMIT: &str = "0ddba11";

pub(crate) const ADMIN_EMAIL: &str = "admin@fleet.test";

/// A running fleet.
pub(crate) struct Fleet {
    folder: PathBuf,
    ports: HashMap<&'static str, u16>,
    secrets: HashMap<&'static str, String>,
    environment: HashMap<&'static str, Vec<(String, String)>>,
    processes: Mutex<HashMap<&'static str, Child>>,
    pub(crate) admin_password: String,
    /// Between the services and RabbitMQ.
    pub(crate) broker: Proxy,
    /// Between appointment-service and its database.
    pub(crate) database: Proxy,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let fleet = Self::prepare().await;
        let (first, others) = SERVICES.split_at(1);
        for group in [first, others] {
            for service in group {
                fleet.launch(service);
            }
            for service in group {
                fleet.await_ready(service).await;
            }
        }
        fleet
    }

    async fn prepare() -> Self {
        let folder = binaries().join("e2e").join(Uuid::now_v7().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let random = || Uuid::new_v4().simple().to_string();
        let mut fleet = Self {
            folder,
            ports: SERVICES.into_iter().zip(free_ports()).collect(),
            secrets: SERVICES.into_iter().map(|service| (service, random())).collect(),
            environment: HashMap::new(),
            processes: Mutex::default(),
            admin_password: random(),
            broker: Proxy::start(host_of(&common_testing::amqp_url())).await.unwrap(),
            database: Proxy::start(host_of(&common_testing::mysql_url().await))
                .await
                .unwrap(),
        };
        for service in SERVICES {
            let variables = fleet.variables(service).await;
            fleet.environment.insert(service, variables);
        }
        fleet
    }

    async fn variables(&self, service: &'static str) -> Vec<(String, String)> {
        let secret = &self.secrets[service];
        let at = |name: &str| format!("127.0.0.1:{}", self.ports[name]);
        let folder = |name: &str| self.folder.join(name).display().to_string();
        let mut set = vec![
            (
                format!("{}_PORT", service.replace('-', "_").to_uppercase()),
                self.ports[service].to_string(),
            ),
            ("SERVICE_SECRET".to_owned(), secret.clone()),
            (
                "AUTH_ISSUER_URL".to_owned(),
                format!("http://{}", at("user-service")),
            ),
            (
                "AUTH_JWKS_URL".to_owned(),
                format!("http://{}/.well-known/jwks.json", at("user-service")),
            ),
            (
                "AMQP_URL".to_owned(),
                through(&self.broker, &common_testing::amqp_url()),
            ),
            (
                "EUREKA_URL".to_owned(),
                format!("http://{service}:{secret}@{}/eureka/", at("discovery-server")),
            ),
            ("DISCOVERY_CREDENTIALS".to_owned(), self.credentials()),
            ("CONFIG_CREDENTIALS".to_owned(), self.credentials()),
            // Every case comes from one address.
            ("GATEWAY_RATE_LIMIT_SCALE".to_owned(), "1000".to_owned()),
            ("BUILD_COMMIT".to_owned(), COMMIT.to_owned()),
            ("MAIL_DIR".to_owned(), folder("mail")),
            ("SMS_DIR".to_owned(), folder("sms")),
        ];
        if service != "config-server" {
            let url = format!("http://{service}:{secret}@{}", at("config-server"));
            set.push(("CONFIG_SERVER_URL".to_owned(), url));
            set.push(("CONFIG_SERVER_REQUIRE_SIGNATURE".to_owned(), "true".to_owned()));
        }
        set.extend(self.stores(service).await);
        set
    }

    /// Where a service keeps its data, and what it seals them with.
    async fn stores(&self, service: &'static str) -> Vec<(String, String)> {
        let key = || STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        let pairs: Vec<(&str, String)> = match service {
            "user-service" => vec![
                ("MYSQL_URL", common_testing::mysql_url().await),
                ("SERVICE_SECRETS", self.credentials()),
                ("MASTER_KEY", key()),
                ("ADMIN_EMAIL", ADMIN_EMAIL.to_owned()),
                ("ADMIN_PASSWORD", self.admin_password.clone()),
            ],
            "appointment-service" => {
                vec![(
                    "MYSQL_URL",
                    through(&self.database, &common_testing::mysql_url().await),
                )]
            }
            "notification-service" => vec![("MYSQL_URL", common_testing::mysql_url().await)],
            "medical-record-service" => {
                vec![
                    ("MONGODB_URL", common_testing::mongo_url()),
                    ("RECORDS_KEY", key()),
                ]
            }
            "config-server" => vec![("CONFIG_FOLDER", configuration().display().to_string())],
            _ => Vec::new(),
        };
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn credentials(&self) -> String {
        let pairs = SERVICES
            .iter()
            .map(|service| format!("{service}:{}", self.secrets[service]));
        pairs.collect::<Vec<_>>().join(",")
    }

    /// Start one service.
    pub(crate) fn launch(&self, service: &'static str) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(service))
            .unwrap();
        let binary = binaries().join(service);
        assert!(
            binary.exists(),
            "{} is missing: `cargo build --workspace` makes it",
            binary.display()
        );
        let child = Command::new(binary)
            .env_clear()
            .envs(
                self.environment[service]
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.lock().unwrap().insert(service, child);
    }

    /// Wait until the service says that it is ready.
    pub(crate) async fn await_ready(&self, service: &'static str) {
        let direct = self.direct(service);
        let ready = wait::until(Duration::from_secs(30), || async {
            let answer = direct
                .request(reqwest::Method::GET, "/readyz")
                .send()
                .await
                .ok()?;
            answer.status().is_success().then_some(())
        });
        assert!(
            ready.await.is_some(),
            "{service} did not get ready:\n{}",
            self.tail(service)
        );
    }

    /// Kill one service as a power cut would.
    pub(crate) fn kill(&self, service: &'static str) {
        let mut child = self.processes.lock().unwrap().remove(service).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Where a service listens.
    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[service]).into()
    }

    /// The secret with which a service proves its name.
    pub(crate) fn secret(&self, service: &str) -> &str {
        &self.secrets[service]
    }

    /// What a service was started with.
    pub(crate) fn variable(&self, service: &str, name: &str) -> &str {
        let all = &self.environment[service];
        all.iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
            .unwrap()
    }

    /// The gateway.
    pub(crate) fn api(&self) -> Api {
        self.direct("api-gateway")
    }

    /// One service past the gateway.
    pub(crate) fn direct(&self, service: &str) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.ports[service])).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a service has logged so far.
    pub(crate) fn log_text(&self, service: &str) -> String {
        std::fs::read_to_string(self.log(service)).unwrap_or_default()
    }

    fn log(&self, service: &str) -> PathBuf {
        self.folder.join(format!("{service}.log"))
    }

    fn tail(&self, service: &str) -> String {
        let text = self.log_text(service);
        text.lines()
            .rev()
            .take(20)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Ask every service to stop and see that it does, and that it says so with its exit code.
    pub(crate) async fn stop(&self, strict: bool) {
        let children: Vec<_> = self.processes.lock().unwrap().drain().collect();
        for (_, child) in &children {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
        }
        for (service, mut child) in children {
            let ended = wait::until(Duration::from_secs(30), || {
                let status = child.try_wait().unwrap();
                async move { status }
            });
            let status = ended.await;
            if status.is_none() {
                child.kill().unwrap();
            }
            let clean = status.is_some_and(|status| status.success());
            assert!(
                clean || !strict,
                "{service} did not stop in order: {status:?}\n{}",
                self.tail(service)
            );
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.processes.lock().unwrap().values_mut() {
            let _ = child.kill();
        }
    }
}

/// The folder of this build's binaries.
fn binaries() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// The files that the fleet is configured with.
fn configuration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> Vec<u16> {
    let held: Vec<_> = SERVICES
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect()
}

fn host_of(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// `url` with the proxy's address in place of the server's.
fn through(proxy: &Proxy, url: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.into()
}
