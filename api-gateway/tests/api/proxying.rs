//! What passes between client and service.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use common::auth::Role;
use common_testing::{As, Client};
use futures_util::{StreamExt, stream};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{Echo, Stage, body_of, read_to_end, seen, serve_router};

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Doctor);
    let request = stage.client.request(Method::POST, "/records?a=1&b=%20x", &token);
    let request = request
        .header("x-break-glass", "a long reason")
        .header("idempotency-key", "k-1")
        .body(vec![b'x'; 12_345]);
    let answer = Client::send(request).await.expect(200);
    let echoed = answer.json();
    assert_eq!(
        (&echoed["method"], &echoed["path"], &echoed["query"]),
        (&"POST".into(), &"/records".into(), &"a=1&b=%20x".into())
    );
    assert_eq!(
        (&echoed["length"], &echoed["whole"]),
        (&12_345.into(), &true.into())
    );
    assert_eq!(seen(&echoed, "x-break-glass"), ["a long reason"]);
    assert_eq!(seen(&echoed, "idempotency-key"), ["k-1"]);
    assert_eq!(seen(&echoed, "x-request-id"), [answer.header("x-request-id")]);
}

#[tokio::test]
async fn request_id_and_trace_go_through() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = stage
        .client
        .request(Method::GET, "/.well-known/jwks.json", As::Anyone);
    let answer = Client::send(
        request
            .header("x-request-id", "client-id-1")
            .header("traceparent", trace),
    )
    .await
    .expect(200);
    assert_eq!(answer.header("x-request-id"), "client-id-1");
    let echoed = answer.json();
    assert_eq!(seen(&echoed, "x-request-id"), ["client-id-1"]);
    assert_eq!(&seen(&echoed, "traceparent")[0][..35], &trace[..35]);
    let request = stage
        .client
        .request(Method::GET, "/.well-known/jwks.json", As::Anyone)
        .header("x-request-id", "bad id;\"");
    assert_ne!(Client::send(request).await.header("x-request-id"), "bad id;\"");
    let refused = stage
        .client
        .request(Method::GET, "/users/me", As::Anyone)
        .header("x-request-id", "client-id-2");
    assert_eq!(Client::send(refused).await.json()["request_id"], "client-id-2");
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let length = 20 * 1024 * 1024;
    let address = serve_router(Router::new().fallback(move || async move { body_of(length) })).await;
    let stage = Stage::at(&[address], "{}");
    let token = stage.token(Role::Patient);
    let answer = stage.client.get("/records/a/b/file", &token).await.expect(200);
    assert_eq!(answer.body.len(), length);
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Patient);
    let upload = stage
        .client
        .request(Method::POST, "/records", &token)
        .body(vec![b'x'; length]);
    assert_eq!(Client::send(upload).await.expect(200).json()["length"], length);
    let chunks = stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 10_000])));
    let upload = stage
        .client
        .request(Method::POST, "/records", &token)
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(Client::send(upload).await.expect(200).json()["length"], 1_000_000);
}

#[tokio::test]
async fn an_answer_is_passed_on_while_it_is_still_being_made() {
    let slow = || async {
        let first = stream::once(async { Ok::<_, std::io::Error>("first") });
        let never = stream::pending();
        Body::from_stream(first.chain(never)).into_response()
    };
    let address = serve_router(Router::new().fallback(slow)).await;
    let stage = Stage::at(&[address], "{}");
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut received = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&received).contains("first") {
            let mut chunk = [0; 1024];
            let read = stream.read(&mut chunk).await.unwrap();
            received.extend_from_slice(&chunk[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("the first piece does not wait for the last");
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_told_or_not() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let told = stage
        .client
        .request(Method::POST, "/login", As::Anyone)
        .body(vec![b'x'; 300_000]);
    assert_eq!(Client::send(told).await.problem(413), "too-large");
    assert_eq!(echo.hits(), 0, "its length is known before it is sent");
    let chunks = stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 10_000])));
    let untold = stage
        .client
        .request(Method::POST, "/login", As::Anyone)
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(Client::send(untold).await.problem(413), "too-large");
}

#[tokio::test]
async fn head_and_conditional_answers_have_no_body() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Patient);
    let head = Client::send(stage.client.request(Method::HEAD, "/users/me", &token))
        .await
        .expect(200);
    assert!(head.body.is_empty() && head.header("content-length").parse::<u64>().unwrap() > 0);
    let empty = serve_router(Router::new().fallback(|| async { http::StatusCode::NO_CONTENT })).await;
    let stage = Stage::at(&[empty], "{}");
    let token = stage.token(Role::Patient);
    for _ in 0..3 {
        stage
            .client
            .post("/logout", &token, &serde_json::json!({}))
            .await
            .expect(204);
    }
}

#[tokio::test]
async fn a_line_is_logged_for_each_request_without_path_query_or_token() {
    let echo = Echo::start().await;
    let mut stage = Stage::at(&[echo.address], "{log: {format: json}}");
    let token = stage.token(Role::Patient);
    stage
        .client
        .get("/users/0190c3a0-0000-7000-8000-00000000cafe?secret=1", &token)
        .await
        .expect(200);
    stage.client.get("/audit?secret=1", &token).await.expect(403);
    stage.client.get("/users/me", "nonsense-token").await.expect(401);
    stage.client.get("/nowhere-secret", As::Anyone).await.expect(404);
    assert!(stage.stop().await);
    let log = stage.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert_eq!(
        (&lines[0]["route"], &lines[0]["status"]),
        (&"/users/{id}".into(), &200.into())
    );
    assert!(lines[0]["actor"].is_string() && lines[0]["instance"].is_string());
    assert_eq!(
        (&lines[1]["reason"], &lines[1]["status"]),
        (&"role".into(), &403.into())
    );
    assert_eq!(
        (&lines[2]["reason"], &lines[2]["actor"]),
        (&"token".into(), &serde_json::Value::Null)
    );
    assert_eq!(lines[3]["route"], "unmatched");
    for hidden in ["secret", "cafe", "nonsense", &token] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}

#[tokio::test]
async fn what_a_library_says_behind_does_not_come_out() {
    let bare = |status: u16| {
        let router = Router::new().fallback(move || async move {
            let status = http::StatusCode::from_u16(status).unwrap();
            (status, "secret stack trace at 10.0.0.7:3306")
        });
        serve_router(router)
    };
    for status in [400, 401, 404, 405, 413, 431, 500, 502, 503] {
        let stage = Stage::at(&[bare(status).await], "{}");
        let answer = stage.client.get("/.well-known/jwks.json", As::Anyone).await;
        answer.problem(status);
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    let own =
        || async { common::problem::Problem::conflict("slot-taken", "Taken").with("next_free", ["09:00"]) };
    let stage = Stage::at(&[serve_router(Router::new().fallback(own)).await], "{}");
    let answer = stage
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(409);
    assert_eq!(
        answer.json()["next_free"][0],
        "09:00",
        "a service's own problem passes"
    );
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_only_if_it_may_come_in() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(head("/login").as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert!(
        first.starts_with(b"HTTP/1.1 100 Continue"),
        "{}",
        String::from_utf8_lossy(&first)
    );
    stream.write_all(b"hello").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"length\":5"),
        "{answer}"
    );
    let refused = stage.raw(head("/records").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let address = serve_router(Router::new().fallback(|| async { body_of(64 * 1024 * 1024) })).await;
    let stage = Stage::at(&[address], "{gateway: {connection: {stall_s: 1}}}");
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut received = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut received))
        .await
        .expect("an end");
    assert!(
        received.len() < 64 * 1024 * 1024,
        "only what was under way arrives"
    );
}
