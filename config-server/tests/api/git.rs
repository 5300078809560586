//! The git backend, on a real repository.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common_testing::{As, not_run};
use serde_json::{Value, json};

use crate::helpers::{ADMIN, Folder, SVC, Server};

/// A repository with a work tree, to commit into.
struct Origin(Folder);

impl Origin {
    /// `None`, and a word about it, where there is no git.
    fn new(branch: &str) -> Option<Self> {
        if Command::new("git").arg("--version").output().is_err() {
            not_run("git is not here, so its backend was not tried");
            return None;
        }
        let origin = Self(Folder::new());
        origin.git(&["init", "--quiet", "--initial-branch", branch]);
        Some(origin)
    }

    fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.0.path()).args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "commit.gpgsign=false",
        ]);
        let output = command.args(args).output().unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commit a file and tell the commit.
    fn commit(&self, path: &str, text: &str) -> String {
        self.0.write(path, text);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A server of this repository that looks at it only when told.
    async fn served_from(&self, copy: &Folder) -> Server {
        let (url, copy) = (self.path().display(), copy.path().display());
        let git = format!(
            "config:\n  backend: git\n  refresh_interval_s: 3600\n  git: {{url: {url}, folder: {copy}}}\n"
        );
        Server::start(&git).await
    }

    async fn served(&self) -> (Server, Folder) {
        let copy = Folder::new();
        (self.served_from(&copy).await, copy)
    }
}

async fn refresh(server: &Server) -> u16 {
    server
        .post(ADMIN, "/monitor", "application/json", "{}")
        .await
        .status
        .as_u16()
}

async fn value(server: &Server, path: &str) -> Option<Value> {
    server.value(SVC, path, "a").await
}

#[tokio::test]
async fn branches_tags_and_commits_are_labels() {
    let Some(origin) = Origin::new("main") else { return };
    let first = origin.commit("svc.yml", "a: 1\n");
    origin.git(&["tag", "v1"]);
    origin.git(&["tag", "--annotate", "--message", "x", "v1-annotated"]);
    let second = origin.commit("svc.yml", "a: 2\n");
    origin.git(&["checkout", "--quiet", "-b", "feature/x"]);
    origin.commit("svc.yml", "a: 3\n");
    origin.git(&["checkout", "--quiet", "main"]);
    let (server, _copy) = origin.served().await;

    let body = server.json(SVC, "/svc/default").await;
    assert_eq!((&body["version"], &body["label"]), (&json!(second), &Value::Null));
    assert_eq!(
        body["propertySources"][0]["name"],
        format!("{}/svc.yml", origin.path().display())
    );
    for (label, expected) in [
        ("main", 2),
        ("v1", 1),
        ("v1-annotated", 1),
        ("feature(_)x", 3),
        ("feature%2Fx", 3),
        (&first, 1),
        (&first[..8], 1),
    ] {
        assert_eq!(
            value(&server, &format!("/svc/default/{label}")).await,
            Some(json!(expected)),
            "{label}"
        );
    }
    assert_eq!(server.json(SVC, "/v1/svc-default.json").await, json!({"a": 1}));
    assert_eq!(server.get(SVC, "/svc/default/v1/svc.yml").await.text(), "a: 1\n");
    let several = server.json(SVC, "/svc/default/v1,main").await;
    assert_eq!(several["propertySources"][0]["source"], json!({"a": 2}));
    assert_eq!(several["version"], format!("{first},{second}"));
    for unknown in [
        "nobody",
        "0000000000000000000000000000000000000000",
        "abcdef0",
        "HEAD",
        "refs(_)heads(_)main",
        "main~1",
        "v1,nobody",
    ] {
        let status = server.get(SVC, &format!("/svc/default/{unknown}")).await.status;
        assert_eq!(status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn master_stands_in_for_main() {
    let Some(origin) = Origin::new("master") else {
        return;
    };
    origin.commit("svc.yml", "a: 1\n");
    let (server, _copy) = origin.served().await;
    assert_eq!(value(&server, "/svc/default").await, Some(json!(1)));
}

#[tokio::test]
async fn changes_force_pushes_and_deletions_are_followed() {
    let Some(origin) = Origin::new("main") else { return };
    let first = origin.commit("svc.yml", "a: 1\n");
    origin.git(&["branch", "old"]);
    let (server, _copy) = origin.served().await;
    assert_eq!(value(&server, "/svc/default/old").await, Some(json!(1)));
    let taken_back = origin.commit("svc.yml", "a: 2\n");
    assert_eq!(refresh(&server).await, 200);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(2)));

    origin.git(&["reset", "--quiet", "--hard", &first]);
    origin.commit("svc.yml", "a: 3\n");
    origin.git(&["branch", "--quiet", "-D", "old"]);
    assert_eq!(refresh(&server).await, 200);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(3)));
    server.get(SVC, "/svc/default/old").await.problem(404);
    // It is still in the copy, but was taken back: perhaps because a secret stood in it.
    server
        .get(SVC, &format!("/svc/default/{taken_back}"))
        .await
        .problem(404);
}

#[tokio::test]
async fn a_broken_file_or_a_lost_branch_leaves_the_last_good_version() {
    let Some(origin) = Origin::new("main") else { return };
    let good = origin.commit("svc.yml", "a: 1\n");
    let (server, _copy) = origin.served().await;
    origin.commit("svc.yml", "a: [\n");
    assert_eq!(refresh(&server).await, 503);
    assert_eq!(server.json(SVC, "/svc/default").await["version"], good);
    origin.commit("svc.yml", "a: 2\n");
    assert_eq!(refresh(&server).await, 200);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(2)));
    origin.git(&["branch", "--quiet", "-m", "main", "renamed"]);
    assert_eq!(refresh(&server).await, 503);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(2)));
    assert_eq!(value(&server, "/svc/default/renamed").await, Some(json!(2)));
}

#[tokio::test]
async fn while_the_remote_is_away_the_copy_answers_even_after_a_restart() {
    let Some(origin) = Origin::new("main") else { return };
    origin.commit("svc.yml", "a: 1\n");
    let (server, copy) = origin.served().await;
    let away = origin.path().with_extension("away");
    std::fs::rename(origin.path(), &away).unwrap();
    assert_eq!(refresh(&server).await, 503);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(1)));
    drop(server);
    // A git that was killed left a lock behind.
    std::fs::write(copy.path().join("repository.git/refs/heads/main.lock"), "").unwrap();
    let restarted = origin.served_from(&copy).await;
    assert_eq!(value(&restarted, "/svc/default").await, Some(json!(1)));
    std::fs::rename(&away, origin.path()).unwrap();
    origin.commit("svc.yml", "a: 2\n");
    assert_eq!(refresh(&restarted).await, 200);
    assert_eq!(value(&restarted, "/svc/default").await, Some(json!(2)));
}

#[tokio::test]
async fn a_restart_does_not_make_a_broken_change_good() {
    let Some(origin) = Origin::new("main") else { return };
    let good = origin.commit("svc.yml", "a: 1\n");
    origin.git(&["branch", "--quiet", "other"]);
    let (server, copy) = origin.served().await;
    assert_eq!(value(&server, "/svc/default/other").await, Some(json!(1)));
    origin.commit("svc.yml", "a: [\n");
    origin.git(&["branch", "--quiet", "--force", "other", "main"]);
    assert_eq!(refresh(&server).await, 503);
    drop(server);
    let restarted = origin.served_from(&copy).await;
    assert_eq!(restarted.json(SVC, "/svc/default").await["version"], good);
    assert_eq!(value(&restarted, "/svc/default/other").await, Some(json!(1)));
    assert_eq!(refresh(&restarted).await, 503);
    let mended = origin.commit("svc.yml", "a: 3\n");
    origin.git(&["branch", "--quiet", "--force", "other", "main"]);
    assert_eq!(refresh(&restarted).await, 200);
    assert_eq!(restarted.json(SVC, "/svc/default").await["version"], mended);
}

/// A commit that is remembered as good is not served under its name once no branch holds it.
#[tokio::test]
async fn what_was_accepted_once_and_taken_back_is_gone() {
    let Some(origin) = Origin::new("main") else { return };
    origin.commit("svc.yml", "a: 1\n");
    let taken_back = origin.commit("svc.yml", "a: 2\n");
    let (server, _copy) = origin.served().await;
    assert_eq!(value(&server, "/svc/default").await, Some(json!(2)));
    origin.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    origin.git(&["branch", "--quiet", "side"]);
    origin.commit("svc.yml", "a: [\n");
    assert_eq!(refresh(&server).await, 503);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(2)));
    let gone = server.get(SVC, &format!("/svc/default/{taken_back}")).await;
    gone.problem(404);
}

#[tokio::test]
async fn while_a_remote_does_not_answer_every_label_is_served() {
    let Some(origin) = Origin::new("main") else { return };
    origin.commit("svc.yml", "a: 1\n");
    origin.git(&["tag", "v1"]);
    let (server, copy) = origin.served().await;
    drop(server);
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let git = format!(
        "{{url: 'http://{}/x.git', folder: {}, timeout_s: 3}}",
        silent.local_addr().unwrap(),
        copy.path().display()
    );
    let server = Server::start(&format!(
        "config:\n  backend: git\n  refresh_interval_s: 3600\n  git: {git}\n"
    ))
    .await;
    let asked = async {
        // The notification is being waited for by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        assert_eq!(value(&server, "/svc/default/v1").await, Some(json!(1)));
        let unknown = server.get(SVC, "/svc/default/nobody").await.status;
        (unknown.as_u16(), began.elapsed())
    };
    let (refreshed, (unknown, waited)) = tokio::join!(refresh(&server), asked);
    assert_eq!((refreshed, unknown), (503, 404));
    assert!(waited < Duration::from_secs(2), "waited {waited:?} for a fetch");
}

#[tokio::test]
async fn a_damaged_copy_is_made_anew() {
    let Some(origin) = Origin::new("main") else { return };
    origin.commit("svc.yml", "a: 1\n");
    let (server, copy) = origin.served().await;
    drop(server);
    std::fs::write(copy.path().join("repository.git/HEAD"), "garbage").unwrap();
    let server = origin.served_from(&copy).await;
    assert_eq!(value(&server, "/svc/default").await, Some(json!(1)));
}

#[tokio::test]
async fn a_crafted_repository_gains_nothing() {
    let Some(origin) = Origin::new("main") else { return };
    let outside = Folder::with(&[("secret.yml", "canary: 1\n")]);
    std::os::unix::fs::symlink(
        outside.path().join("secret.yml"),
        origin.path().join("svc-dev.yml"),
    )
    .unwrap();
    std::os::unix::fs::symlink(outside.path(), origin.path().join("sub")).unwrap();
    origin.0.write(".gitattributes", "* filter=evil\n");
    let marker = outside.path().join("ran");
    origin.git(&[
        "config",
        "uploadpack.packObjectsHook",
        &format!("touch {}", marker.display()),
    ]);
    origin.0.write(
        ".git/hooks/post-checkout",
        &format!("#!/bin/sh\ntouch {}\n", marker.display()),
    );
    origin.commit("svc.yml", "a: 1\n");
    let (server, copy) = origin.served().await;
    let body = server.json(SVC, "/svc/dev").await;
    assert_eq!(body["propertySources"].as_array().unwrap().len(), 1, "{body}");
    server
        .get(ADMIN, "/svc/default/main/svc-dev.yml")
        .await
        .problem(404);
    server
        .get(ADMIN, "/svc/default/main/sub/secret.yml")
        .await
        .problem(404);
    assert!(!marker.exists(), "something in the repository was run");
    assert!(
        !copy.path().join("svc.yml").exists() && !copy.path().join("repository.git/svc.yml").exists(),
        "there is a checkout"
    );
}

#[tokio::test]
async fn without_the_repository_the_server_waits_for_it() {
    let Some(origin) = Origin::new("main") else { return };
    let away = origin.path().with_extension("away");
    std::fs::rename(origin.path(), &away).unwrap();
    let (server, _copy) = origin.served().await;
    assert_eq!(server.get(SVC, "/svc/default").await.problem(503), "unavailable");
    server.client.get("/readyz", As::Anyone).await.expect(503);
    std::fs::rename(&away, origin.path()).unwrap();
    origin.commit("svc.yml", "a: 1\n");
    assert_eq!(refresh(&server).await, 200);
    assert_eq!(value(&server, "/svc/default").await, Some(json!(1)));
}
