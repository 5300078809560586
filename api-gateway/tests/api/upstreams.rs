//! Services that are dead, slow, hasty or gone in the middle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use common::auth::Role;
use common_testing::{As, Client};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::helpers::{Echo, Stage, dead_address, read_head, read_to_end, serve_bytes, serve_router};

const JWKS: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn connections_to_a_service_are_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = serve_bytes(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while read_head(&mut stream).await.ends_with("\r\n\r\n") {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    for _ in 0..50 {
        assert_eq!(stage.client.get(JWKS, As::Anyone).await.expect(200).text(), "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_answering_is_503_without_a_word_about_whom() {
    let dead = dead_address().await;
    let mut stage = Stage::at(&[dead], "{}");
    let answer = stage.client.get(JWKS, As::Anyone).await;
    assert_eq!(answer.problem(503), "unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(
        !answer.text().contains("127.0.0.1") && !answer.text().contains("user-service"),
        "{}",
        answer.text()
    );
    stage.client.get(JWKS, As::Anyone).await.expect(503);
    assert!(stage.stop().await);
    let log = stage.log();
    assert_eq!(
        log.matches("reason=unreachable").count(),
        1,
        "one vain attempt is enough: {log}"
    );
    assert!(log.contains("reason=no-instance"), "{log}");
}

#[tokio::test]
async fn one_dead_instance_of_two_is_not_noticed() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[dead_address().await, echo.address], "{}");
    for _ in 0..100 {
        stage.client.get(JWKS, As::Anyone).await.expect(200);
        // Nothing was sent, so even what is not idempotent goes to the other one.
        stage
            .client
            .post("/login", As::Anyone, &serde_json::json!({}))
            .await
            .expect(200);
    }
    assert_eq!(echo.hits(), 200);
}

/// An instance that dies with all of its connections when the handle is aborted.
async fn mortal() -> (std::net::SocketAddr, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let life = tokio::task::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                while read_head(&mut stream).await.ends_with("\r\n\r\n") {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nmortal";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    (address, life.abort_handle())
}

#[tokio::test]
async fn a_killed_instance_costs_one_request_at_most() {
    let (echo, (address, life)) = (Echo::start().await, mortal().await);
    let mut stage = Stage::at(&[address, echo.address], "{gateway: {workers: 1}}");
    for _ in 0..50 {
        stage.client.get(JWKS, As::Anyone).await.expect(200);
    }
    assert!(echo.hits() < 50, "both were asked");
    life.abort();
    let mut failed = 0;
    for _ in 0..50 {
        let answer = stage
            .client
            .request(Method::POST, "/login", As::Anyone)
            .send()
            .await
            .unwrap();
        failed += usize::from(answer.status() != 200);
        stage.client.get(JWKS, As::Anyone).await.expect(200);
    }
    assert!(failed <= 1, "{failed} failed");
    assert!(stage.stop().await);
}

#[tokio::test]
async fn an_instance_that_breaks_off_is_replaced_for_idempotent_requests_only() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let breaking = serve_bytes(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            read_head(&mut stream).await;
        }
    })
    .await;
    let stage = Stage::at(&[breaking], "{gateway: {workers: 1}}");
    assert_eq!(
        stage
            .client
            .post("/login", As::Anyone, &serde_json::json!({}))
            .await
            .problem(502),
        "bad-gateway"
    );
    assert_eq!(hits.load(Ordering::SeqCst), 1, "a login is not repeated");
    assert_eq!(
        stage.client.get(JWKS, As::Anyone).await.problem(502),
        "bad-gateway"
    );
    assert_eq!(hits.load(Ordering::SeqCst), 3, "a GET is tried once more");
    let echo = Echo::start().await;
    let stage = Stage::at(&[breaking, echo.address], "{}");
    for _ in 0..20 {
        stage.client.get(JWKS, As::Anyone).await.expect(200);
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_says_the_same() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    // Answers once and breaks off at the next request of the same connection.
    let address = serve_bytes(move |mut stream, _| {
        let seen = Arc::clone(&seen);
        async move {
            let head = read_head(&mut stream).await;
            seen.lock().unwrap().push(head);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let head = read_head(&mut stream).await;
            seen.lock().unwrap().push(head);
        }
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    for _ in 0..2 {
        let request = stage.client.request(Method::GET, JWKS, As::Anyone);
        Client::send(request.header("x-mine", "1")).await.expect(200);
    }
    let lines = |head: &str| {
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_lowercase).collect();
        lines.sort();
        lines
    };
    let heads = heads.lock().unwrap();
    let [_, broken_off, again] = heads.first_chunk().unwrap();
    assert_eq!(lines(broken_off), lines(again));
    for name in [
        "x-mine: 1",
        "x-request-id: ",
        "traceparent: ",
        "x-forwarded-for: 127.0.0.1",
        "host: ",
    ] {
        assert!(
            lines(again).iter().any(|line| line.starts_with(name)),
            "{name}: {again}"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_kept_connection_is_noticed_while_nobody_asks() {
    let (tell, told) = std::sync::mpsc::channel();
    let address = serve_bytes(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            read_head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = tell.send(stream.read(&mut [0; 1]).await.is_ok_and(|read| read == 0));
        }
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    stage.client.get(JWKS, As::Anyone).await.expect(200);
    let closed = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(5)));
    assert_eq!(closed.await.unwrap(), Ok(true), "closed on this side too");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced() {
    let address = serve_bytes(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        // Closes without having said so.
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    for _ in 0..20 {
        stage.client.get(JWKS, As::Anyone).await.expect(200);
        stage
            .client
            .post("/login", As::Anyone, &serde_json::json!({}))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_504() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let silent = serve_bytes(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut scrap = [0; 1024];
            while stream.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await;
    let routes = "[{path: /slow, methods: [GET, POST], service: user-service, who: public, timeout_ms: 300}]";
    let stage = Stage::at(&[silent], &format!("{{gateway: {{routes: {routes}}}}}"));
    for method in [Method::GET, Method::POST] {
        let begun = Instant::now();
        let answer = Client::send(stage.client.request(method, "/slow", As::Anyone)).await;
        assert_eq!(answer.problem(504), "gateway-timeout");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(
        hits.load(Ordering::SeqCst),
        2,
        "whoever is slow is not asked again"
    );
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_does_not_look_whole() {
    let half = serve_bytes(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            .await;
    })
    .await;
    let stage = Stage::at(&[half], "{}");
    let answer = async || {
        let request = stage.client.request(Method::GET, JWKS, As::Anyone);
        request.send().await?.bytes().await
    };
    // Broken off in its head or in its body: either way nobody takes it for an answer.
    assert!(answer().await.is_err());
}

#[tokio::test]
async fn an_instance_that_answers_with_errors_is_avoided_while_another_does_better() {
    let failing = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failing);
    let faulty = serve_router(Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::INTERNAL_SERVER_ERROR }
    }))
    .await;
    let echo = Echo::start().await;
    let stage = Stage::at(&[faulty, echo.address], "{}");
    let mut last = Vec::new();
    for number in 0..200 {
        let status = stage.client.get(JWKS, As::Anyone).await.status;
        if number >= 100 {
            last.push(status);
        }
    }
    assert!(
        last.iter().filter(|status| **status != 200).count() <= 5,
        "{last:?}"
    );
    // Alone, it is better than nothing: one bad endpoint must not close a whole service.
    let stage = Stage::at(&[faulty], "{}");
    for _ in 0..30 {
        stage.client.get(JWKS, As::Anyone).await.expect(500);
    }
}

/// Answers before it has read the body, and then either waits or closes.
async fn hasty(closes: bool) -> std::net::SocketAddr {
    serve_bytes(move |mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/problem+json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
        if !closes {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for closes in [false, true] {
        let stage = Stage::at(&[hasty(closes).await], "{}");
        let token = stage.token(Role::Patient);
        let begun = Instant::now();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(stage.address).await.unwrap();
            let length = 5 * 1024 * 1024;
            let head = format!(
                "POST /records HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // A client that does not listen before it has sent everything.
            for _ in 0..length / 65_536 {
                stream
                    .write_all(&vec![b'x'; 65_536])
                    .await
                    .expect("what it sends is taken");
            }
            let answer = read_to_end(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 413"), "closes={closes}: {answer}");
            assert!(
                answer.to_ascii_lowercase().contains("connection: close"),
                "{answer}"
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn stopping_fails_no_request_that_has_begun() {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        "done"
    };
    let address = serve_router(Router::new().fallback(slow)).await;
    let mut stage = Stage::at(&[address], "{}");
    let requests: Vec<_> = (0..20)
        .map(|_| tokio::task::spawn(stage.client.request(Method::GET, JWKS, As::Anyone).send()))
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let at = stage.address;
    assert!(stage.stop().await, "nothing had to be cut");
    for request in requests {
        let answer = request.await.unwrap().expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "done");
    }
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn clients_are_told_to_go_before_the_door_closes() {
    let echo = Echo::start().await;
    let mut stage = Stage::at(&[echo.address], "{gateway: {drain_notice_s: 1}}");
    let (client, begun) = (stage.client.clone(), Instant::now());
    let asking = tokio::task::spawn(async move {
        let mut told = false;
        while !told {
            let answer = client.get(JWKS, As::Anyone).await.expect(200);
            told = answer
                .headers
                .get("connection")
                .is_some_and(|value| value == "close");
        }
    });
    assert!(stage.stop().await);
    asking.await.expect("every request was answered");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
