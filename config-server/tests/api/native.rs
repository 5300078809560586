//! What happens when the folder changes under the server.

use common_testing::{Answer, As, eventually};
use serde_json::{Value, json};

use crate::helpers::{ADMIN, Folder, OTHER, SVC, Server};

/// Have the server look at its folder now.
async fn look(server: &Server) -> Answer {
    server.post(ADMIN, "/monitor", "application/json", "{}").await
}

async fn version(server: &Server) -> Value {
    server.json(ADMIN, "/application/default").await["version"].clone()
}

#[tokio::test]
async fn a_change_is_served_without_a_restart() {
    let (server, folder) = Server::serving(&[("svc.yml", "a: 1\n")]).await;
    let before = version(&server).await;
    folder.write("svc.yml", "a: 2\n");
    folder.write("new/svc.yml", "b: 3\n");
    server.until("/svc/default", "a", &json!(2)).await;
    server.until("/svc/default/new", "b", &json!(3)).await;
    assert_ne!(version(&server).await, before);
}

#[tokio::test]
async fn a_broken_change_leaves_everything_as_it_was() {
    let (server, folder) = Server::serving(&[("svc.yml", "a: 1\n"), ("other.yml", "b: 1\n")]).await;
    let before = version(&server).await;
    folder.write("other.yml", "b: 2\n");
    folder.write("svc.yml", "a: [\n");
    assert_eq!(look(&server).await.problem(503), "broken-change");
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    assert_eq!(
        server.value(OTHER, "/other/default", "b").await,
        Some(json!(1)),
        "one change is served whole or not at all"
    );
    assert_eq!(version(&server).await, before);
    let health = server
        .client
        .get("/actuator/health", As::Anyone)
        .await
        .expect(200)
        .json();
    assert_eq!(health["status"], "UP");

    folder.write("svc.yml", "a: 3\n");
    server.until("/svc/default", "a", &json!(3)).await;
    server.until("/other/default", "b", &json!(2)).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_or_empties_changes_nothing() {
    let (server, folder) = Server::serving(&[("svc.yml", "a: 1\n")]).await;
    let away = folder.path().with_extension("away");
    std::fs::rename(folder.path(), &away).unwrap();
    look(&server).await.problem(503);
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    std::fs::create_dir(folder.path()).unwrap();
    look(&server).await.problem(503);
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    std::fs::remove_dir(folder.path()).unwrap();
    std::fs::rename(&away, folder.path()).unwrap();
    folder.write("svc.yml", "a: 2\n");
    server.until("/svc/default", "a", &json!(2)).await;
}

#[tokio::test]
async fn without_files_the_server_is_not_ready_until_they_come() {
    let folder = Folder::new();
    let late = folder.path().join("late");
    let server = Server::start(&format!("config:\n  folder: {}\n", late.display())).await;
    assert_eq!(server.get(SVC, "/svc/default").await.problem(503), "unavailable");
    server.client.get("/readyz", As::Anyone).await.expect(503);
    server.client.get("/livez", As::Anyone).await.expect(200);
    folder.write("late/svc.yml", "a: 1\n");
    eventually("ready", || async {
        (server.client.get("/readyz", As::Anyone).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
}

#[tokio::test]
async fn a_tree_that_would_fill_the_memory_is_not_read() {
    let (server, folder) = Server::serving(&[("svc.yml", "a: 1\n")]).await;
    folder.write("big.bin", &"x".repeat((1 << 20) + 1));
    folder.write("svc.yml", "a: 2\n");
    look(&server).await.problem(503);
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    std::fs::remove_file(folder.path().join("big.bin")).unwrap();
    server.until("/svc/default", "a", &json!(2)).await;
}
