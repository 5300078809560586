//! A server of one's own for each test, and what clients send to it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::auth::Role;
use common::config::{self, Live};
use common::core::Core;
use common::ids::UserId;
use common::server::{self, Stop};
use common_testing::TokenMint;
use discovery_server::config::{DEFAULTS, RegistrySettings};
use discovery_server::{NAME, build};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum As {
    Nobody,
    Admin,
    User,
    Notification,
    Peer,
}

pub(crate) const CREDENTIALS: &str = "admin:admin-secret-0001,user-service:user-secret-00001,\
    notification-service:notification-secret,discovery-server:discovery-secret";

impl As {
    pub(crate) fn credential(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nobody => None,
            Self::Admin => Some(("admin", "admin-secret-0001")),
            Self::User => Some(("user-service", "user-secret-00001")),
            Self::Notification => Some(("notification-service", "notification-secret")),
            Self::Peer => Some(("discovery-server", "discovery-secret")),
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) live: Arc<Live<RegistrySettings>>,
    core: Core,
    mint: TokenMint,
    stop: Stop,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with("{}").await
    }

    /// With settings of its own, in YAML.
    pub(crate) async fn with(settings: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, settings)
    }

    pub(crate) fn on(listener: tokio::net::TcpListener, settings: &str) -> Self {
        let address = listener.local_addr().unwrap();
        let own = format!(
            "server: {{port: {}}}\nservice: {{secret: discovery-secret}}\ndiscovery: {{credentials: '{CREDENTIALS}'}}",
            address.port()
        );
        let live = config::from_yaml::<RegistrySettings>(NAME, &[DEFAULTS, &own, settings]).unwrap();
        let (core, mint) = common_testing::core(&live);
        let router = build(&core, &live).unwrap();
        let app = core.app(router);
        let stop = Stop::new();
        let serving = (core.settings.server.clone(), stop.clone());
        core.background.spawn("server", |_| async move {
            server::serve(listener, app, &serving.0, serving.1).await;
        });
        Self {
            address,
            live,
            core,
            mint,
            stop,
        }
    }

    /// Stop as a process stops: everybody is answered, everything is written.
    pub(crate) async fn stop(self) {
        self.stop.drain();
        self.core.background.stop();
        self.stop.drained(Duration::from_secs(5)).await;
        self.core.background.ended().await;
    }

    pub(crate) fn url(&self, who: As) -> String {
        let credential = who
            .credential()
            .map(|(name, secret)| format!("{name}:{secret}@"))
            .unwrap_or_default();
        format!("http://{credential}{}/eureka/", self.address)
    }

    pub(crate) fn request(&self, who: As, method: Method, path: &str) -> RequestBuilder {
        let request = http().request(method, format!("http://{}{path}", self.address));
        match who.credential() {
            Some((name, secret)) => request.basic_auth(name, Some(secret)),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(As::Nobody, Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let request = self
            .request(As::Nobody, Method::GET, path)
            .header("accept", "application/json");
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn send(&self, who: As, method: Method, path: &str) -> StatusCode {
        self.request(who, method, path).send().await.unwrap().status()
    }

    pub(crate) async fn post(&self, who: As, path: &str, body: &Value) -> Response {
        self.request(who, Method::POST, path)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn register(&self, who: As, app: &str, id: &str) {
        let answer = self
            .post(who, &format!("/eureka/apps/{app}"), &instance(app, id))
            .await;
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
    }

    /// What monitoring reads.
    pub(crate) async fn metrics(&self) -> String {
        let request = self.request(As::Nobody, Method::GET, "/actuator/prometheus");
        let admin = self.mint.access(UserId::generate(), Role::Admin);
        let answer = request.bearer_auth(admin).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// `(id, status)` of every instance.
    pub(crate) async fn listed(&self) -> Vec<(String, String)> {
        let registry = self.json("/eureka/apps").await;
        let apps = registry["applications"]["application"]
            .as_array()
            .unwrap()
            .clone();
        let instances = apps
            .into_iter()
            .flat_map(|app| app["instance"].as_array().unwrap().clone());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        instances
            .map(|found| (text(&found["instanceId"]), text(&found["status"])))
            .collect()
    }
}

pub(crate) fn http() -> Client {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests speak to the server as strangers do"
    )]
    Client::new()
}

/// What a client registers: an instance of `app` on this machine.
pub(crate) fn instance(app: &str, id: &str) -> Value {
    json!({"instance": {
        "instanceId": id, "app": app, "hostName": "127.0.0.1", "ipAddr": "127.0.0.1", "status": "UP",
        "port": {"$": 8081, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 5, "durationInSecs": 15},
        "vipAddress": app, "lastDirtyTimestamp": "1000",
    }})
}

/// Ask again until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
