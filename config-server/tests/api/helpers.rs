//! A config-server on a socket, with files of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::broker::AmqpSettings;
use common::config::{Live, from_yaml};
use common::core::Core;
use common_testing::{Answer, As, Client, TestServer, TokenMint, core, core_on_bus, eventually};
use config_server::config::ConfigSettings;
use config_server::{DEFAULTS, NAME, build};
use http::Method;
use serde_json::Value;

pub(crate) const SVC: &str = "svc";
pub(crate) const OTHER: &str = "other";
pub(crate) const ADMIN: &str = "admin";

/// Every credential's secret is made of its name.
pub(crate) fn secret(name: &str) -> String {
    format!("{name}-0123456789abcdef0123456789abcdef")
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("config-server-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let full = self.0.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) running: TestServer,
    pub(crate) client: Client,
    pub(crate) mint: TokenMint,
}

impl Server {
    /// Serve `files` from a folder.
    pub(crate) async fn serving(files: &[(&str, &str)]) -> (Self, Folder) {
        let folder = Folder::with(files);
        (Self::of(&folder, "").await, folder)
    }

    /// Serve a folder with more settings.
    pub(crate) async fn of(folder: &Folder, settings: &str) -> Self {
        Self::start(&format!(
            "config:\n  folder: {}\n{settings}",
            folder.path().display()
        ))
        .await
    }

    /// The same, with a bus to tell others on.
    pub(crate) async fn on_bus(folder: &Folder, settings: &str, amqp: &AmqpSettings) -> Self {
        let settings = format!("config:\n  folder: {}\n{settings}", folder.path().display());
        let live = Self::settings(&settings);
        let (core, mint) = core_on_bus(&live, amqp);
        Self::run(&live, &core, mint).await
    }

    /// Start with these settings over the defaults and the credentials.
    pub(crate) async fn start(settings: &str) -> Self {
        let live = Self::settings(settings);
        let (core, mint) = core(&live);
        Self::run(&live, &core, mint).await
    }

    fn settings(settings: &str) -> Arc<Live<ConfigSettings>> {
        let names = [SVC, OTHER, ADMIN, "svc-internal"].map(|name| format!("{name}:{}", secret(name)));
        let base = format!(
            "config:\n  credentials: '{}'\n  refresh_interval_s: 1\n",
            names.join(",")
        );
        from_yaml::<ConfigSettings>(NAME, &[DEFAULTS, &base, settings]).unwrap()
    }

    async fn run(live: &Live<ConfigSettings>, core: &Core, mint: TokenMint) -> Self {
        let router = build(core, &live.current()).await.unwrap();
        let running = TestServer::start(router, core).await;
        Self {
            client: running.client(),
            running,
            mint,
        }
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Answer {
        self.get_with(who, path, &[]).await
    }

    pub(crate) async fn get_with(&self, who: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .client
            .request(Method::GET, path, As::Anyone)
            .basic_auth(who, Some(secret(who)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Client::send(request).await
    }

    pub(crate) async fn json(&self, who: &str, path: &str) -> Value {
        self.get(who, path).await.expect(200).json()
    }

    /// The value that wins for `key`.
    pub(crate) async fn value(&self, who: &str, path: &str, key: &str) -> Option<Value> {
        let body = self.json(who, path).await;
        let sources = body["propertySources"].as_array().unwrap();
        sources
            .iter()
            .find_map(|source| source["source"].get(key))
            .cloned()
    }

    pub(crate) async fn post(&self, who: &str, path: &str, media_type: &str, body: &str) -> Answer {
        let request = self
            .client
            .request(Method::POST, path, As::Anyone)
            .basic_auth(who, Some(secret(who)));
        Client::send(request.header("content-type", media_type).body(body.to_owned())).await
    }

    /// Wait until `path` serves `value` under `key`.
    pub(crate) async fn until(&self, path: &str, key: &str, value: &Value) {
        let wanted = &Some(value.clone());
        eventually(key, || async move {
            (self.value(ADMIN, path, key).await == *wanted).then_some(())
        })
        .await;
    }
}

/// The names of an answer's sources, without what they all begin with.
pub(crate) fn names(body: &Value, folder: &Folder) -> Vec<String> {
    let origin = format!("file:{}/", folder.path().display());
    let sources = body["propertySources"].as_array().unwrap();
    sources
        .iter()
        .map(|source| source["name"].as_str().unwrap().replace(&origin, ""))
        .collect()
}
