use std::time::{Duration, Instant};

use common_testing::{As, Client};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::TestApp;

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let app = TestApp::start().await;
    let client = app.server.client();
    assert_eq!(client.get("/nowhere", As::Anyone).await.problem(404), "not-found");
    let answer = client.delete("/things", As::Anyone).await;
    assert_eq!(answer.problem(405), "method-not-allowed");
    assert_eq!(answer.header("allow"), "POST");
    let post = |body: &str, media: &str| {
        Client::send(
            client
                .request(Method::POST, "/things", As::Anyone)
                .header("content-type", media)
                .body(body.to_owned()),
        )
    };
    let json = "application/json";
    assert_eq!(post("{", json).await.problem(400), "malformed-request");
    assert_eq!(post("{}", json).await.problem(422), "invalid-request");
    assert_eq!(
        post(r#"{"name":"a","nmae":1}"#, json).await.problem(422),
        "invalid-request"
    );
    assert_eq!(
        post(r#"{"name":"a"}"#, "text/plain").await.problem(415),
        "unsupported-media-type"
    );
    assert_eq!(
        post(r#"{"name":"a"}"#, "application/jsonx").await.problem(415),
        "unsupported-media-type"
    );
    let large = json!({ "name": "x".repeat(300_000) }).to_string();
    assert_eq!(post(&large, json).await.problem(413), "too-large");
    post(r#"{"name":"a"}"#, "application/json; charset=utf-8")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_process_lives() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let answer = client.get("/panic", As::Anyone).await;
    assert_eq!(answer.problem(500), "internal-error");
    assert!(!answer.text().contains("planted"), "{}", answer.text());
    client.get("/livez", As::Anyone).await.expect(200);
}

#[tokio::test]
async fn the_request_id_comes_back_and_a_crooked_one_does_not() {
    let app = TestApp::start().await;
    let client = app.server.client();
    let with = |id: &str| {
        Client::send(
            client
                .request(Method::GET, "/nowhere", As::Anyone)
                .header("x-request-id", id),
        )
    };
    let answer = with("my-request-17").await;
    assert_eq!(answer.header("x-request-id"), "my-request-17");
    assert_eq!(answer.json()["request_id"], "my-request-17");
    assert_ne!(
        with("evil\" level=error").await.header("x-request-id"),
        "evil\" level=error"
    );
}

#[tokio::test]
async fn answers_are_not_stored_nor_sniffed() {
    let app = TestApp::start().await;
    let answer = app.server.client().get("/livez", As::Anyone).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

/// A head that never ends is cut, and does not hold its connection for ever.
#[tokio::test]
async fn a_half_sent_head_is_cut() {
    let app = TestApp::with("{server: {header_timeout_s: 1}}").await;
    let mut slow = TcpStream::connect(app.server.address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "still open after {:?}", begun.elapsed());
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

/// More connections than allowed wait; they are served when others end.
#[tokio::test]
async fn connections_beyond_the_cap_wait() {
    let app = TestApp::with("{server: {max_connections: 2, header_timeout_s: 1}}").await;
    let _first = TcpStream::connect(app.server.address).await.unwrap();
    let _second = TcpStream::connect(app.server.address).await.unwrap();
    let begun = Instant::now();
    app.server.client().get("/livez", As::Anyone).await.expect(200);
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "the cap did not hold: {:?}",
        begun.elapsed()
    );
}
