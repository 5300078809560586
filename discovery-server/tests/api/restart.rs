//! What survives the end of the process.

use std::path::PathBuf;

use reqwest::Method;

use crate::helpers::{As, Server};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("registry-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("registry.json")
    }

    fn settings(&self) -> String {
        format!("discovery: {{snapshot: {{file: '{}'}}}}", self.file().display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_restart_forgets_neither_instances_nor_overrides_nor_owners() {
    let folder = Folder::new();
    let before = Server::with(&folder.settings()).await;
    before.register(As::User, "USER-SERVICE", "a").await;
    before.register(As::Admin, "USER-SERVICE", "b").await;
    before
        .send(
            As::Admin,
            Method::PUT,
            "/eureka/apps/USER-SERVICE/a/status?value=OUT_OF_SERVICE",
        )
        .await;
    let (listed, version) = (
        before.listed().await,
        before.json("/eureka/changes").await["version"].as_u64(),
    );
    before.stop().await;
    let after = Server::with(&folder.settings()).await;
    assert_eq!(after.listed().await, listed);
    assert!(
        after.json("/eureka/changes").await["version"].as_u64() > version,
        "versions go on"
    );
    assert_eq!(
        after
            .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
            .await,
        200
    );
    assert_eq!(
        after
            .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/b")
            .await,
        403,
        "b is still the admin's"
    );
    after.stop().await;
}

#[tokio::test]
async fn a_kill_loses_at_most_the_last_moment() {
    let folder = Folder::new();
    let before = Server::with(&folder.settings()).await;
    before.register(As::User, "USER-SERVICE", "a").await;
    // Nothing is stopped here: what a second server finds is what a killed one would have left.
    crate::helpers::eventually("the snapshot", || async { folder.file().exists() }).await;
    let copy = Folder::new();
    std::fs::copy(folder.file(), copy.file()).unwrap();
    let after = Server::with(&copy.settings()).await;
    assert_eq!(after.listed().await.len(), 1);
    before.stop().await;
    after.stop().await;
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let server = Server::with(&folder.settings()).await;
    server.register(As::User, "USER-SERVICE", "a").await;
    server.stop().await;
    let mode = std::fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_is_broken_or_old_is_no_reason_not_to_start() {
    for content in [
        "",
        "{",
        "[]",
        r#"{"saved_at":"2020-01-01T00:00:00Z","leases":[]}"#,
    ] {
        let folder = Folder::new();
        std::fs::write(folder.file(), content).unwrap();
        let server = Server::with(&folder.settings()).await;
        assert!(server.listed().await.is_empty());
        server.stop().await;
    }
}

#[tokio::test]
async fn an_instance_that_was_not_heard_of_for_longer_than_its_lease_is_told_to_be_silent() {
    let folder = Folder::new();
    let before = Server::with(&folder.settings()).await;
    let mut document = crate::helpers::instance("USER-SERVICE", "a");
    document["instance"]["leaseInfo"] = serde_json::json!({"renewalIntervalInSecs": 1, "durationInSecs": 2});
    let path = "/eureka/apps/USER-SERVICE";
    assert_eq!(before.post(As::User, path, &document).await.status(), 204);
    before.stop().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let after = Server::with(&folder.settings()).await;
    let page = after.get("/").await.text().await.unwrap();
    for told in [
        "1 instance silent",
        ">SILENT 1<",
        "silent, waited for",
        "1 instance has not been heard",
    ] {
        assert!(page.contains(told), "{told} not in {page}");
    }
    assert_eq!(after.listed().await.len(), 1, "it has the time to renew");
    after
        .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
        .await;
    let page = after.get("/").await.text().await.unwrap();
    assert!(page.contains("All well: 1 of 1 instances up"), "{page}");
    after.stop().await;
}
