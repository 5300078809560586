//! Whatever is refused leaves one line that says who, where and why.

use std::time::Duration;

use common::auth::Role;
use common_testing::{As, eventually};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::helpers::{Echo, Stage, read_head, serve_bytes};

const JSON_LOG: &str = "log: {format: json}";

/// The lines with this reason, once there are some.
async fn lines(stage: &Stage, reason: &str) -> Vec<Value> {
    eventually("the line", || async {
        let log = stage.log();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found: Vec<Value> = lines.filter(|line| line["reason"] == reason).collect();
        (!found.is_empty()).then_some(found)
    })
    .await
}

#[tokio::test]
async fn each_refusal_leaves_one_line_with_actor_route_and_reason() {
    let breaking = serve_bytes(|mut stream, _| async move {
        read_head(&mut stream).await;
    })
    .await;
    let limits = "rate_limit: {scale: 1, classes: {login: {per_minute: 1, burst: 1}}}";
    let stage = Stage::at(&[breaking], &format!("{{{JSON_LOG}, gateway: {{{limits}}}}}"));
    let token = stage.token(Role::Patient);
    stage.client.get("/users/me", "nonsense-token").await.expect(401);
    stage.client.get("/audit", &token).await.expect(403);
    let body = serde_json::json!({});
    stage.client.post("/login", As::Anyone, &body).await.expect(502);
    stage.client.post("/login", As::Anyone, &body).await.expect(429);
    let expected = [
        ("token", 401, "/users/me", false),
        ("role", 403, "/audit", true),
        ("broke-off", 502, "/login", false),
        ("limit", 429, "/login", false),
    ];
    for (reason, status, route, has_actor) in expected {
        let lines = lines(&stage, reason).await;
        assert_eq!(lines.len(), 1, "{reason}: {lines:?}");
        let line = &lines[0];
        assert_eq!((&line["status"], &line["route"]), (&status.into(), &route.into()));
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        assert_eq!(line["actor"].is_string(), has_actor, "{line}");
    }
    assert!(!stage.log().contains("nonsense") && !stage.log().contains(&token));
}

#[tokio::test]
async fn bytes_that_are_no_request_leave_a_line_too() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], &format!("{{{JSON_LOG}}}"));
    stage.raw(b"GET /secret HTTP/1.1\nHost: a\n\n").await;
    let lines = lines(&stage, "framing").await;
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["status"], &lines[0]["client"], &lines[0]["route"]),
        (&400.into(), &"127.0.0.1".into(), &"unmatched".into())
    );
}

#[tokio::test]
async fn a_client_that_goes_before_its_answer_is_recorded() {
    let silent = serve_bytes(|mut stream, _| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let stage = Stage::at(&[silent], &format!("{{{JSON_LOG}}}"));
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let lines = lines(&stage, "client-gone").await;
    assert_eq!(
        (&lines[0]["status"], &lines[0]["route"]),
        (&499.into(), &"/.well-known/jwks.json".into())
    );
}
