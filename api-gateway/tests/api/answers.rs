//! What services answer, in all the ways in which it can be meant or broken, and requests of another kind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use common_testing::{As, Client};
use http::{Method, StatusCode, header};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::helpers::{Echo, Stage, dead_address, read_head, read_to_end, seen, serve_bytes, serve_router};

const JWKS: &str = "/.well-known/jwks.json";

/// A listener that nobody should find, and how many have.
async fn bystander() -> (SocketAddr, Arc<AtomicUsize>) {
    let found = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&found);
    let address = serve_bytes(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    (address, found)
}

#[tokio::test]
async fn a_redirection_is_the_clients_to_follow() {
    let (elsewhere, found) = bystander().await;
    let location = format!("http://{elsewhere}/");
    let redirecting = Router::new().fallback(move || {
        let location = location.clone();
        async move { (StatusCode::FOUND, [(header::LOCATION, location)]) }
    });
    let stage = Stage::at(&[serve_router(redirecting).await], "{}");
    let answer = stage.client.get(JWKS, As::Anyone).await.expect(302);
    assert_eq!(answer.header("location"), format!("http://{elsewhere}/"));
    assert_eq!(found.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn no_request_names_the_server_that_it_goes_to() {
    let (elsewhere, found) = bystander().await;
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let hosts = [
        elsewhere.to_string(),
        "127.0.0.1:3306".to_owned(),
        "[::1]".to_owned(),
    ];
    for host in hosts {
        let request = stage.client.request(Method::GET, JWKS, As::Anyone);
        let request = request
            .header("host", &host)
            .header("x-forwarded-host", elsewhere.to_string())
            .header("forwarded", format!("host={elsewhere}"));
        let echoed = Client::send(request).await.expect(200).json();
        assert_eq!(seen(&echoed, "host"), [echo.address.to_string()]);
        assert_eq!(seen(&echoed, "x-forwarded-host"), [host]);
    }
    let hits = echo.hits();
    for target in [
        format!("http://{elsewhere}{JWKS}"),
        format!("//{elsewhere}{JWKS}"),
        "http://169.254.169.254/".to_owned(),
        format!("@{elsewhere}"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {elsewhere}\r\nConnection: close\r\n\r\n");
        let answer = stage.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
    }
    assert_eq!((echo.hits(), found.load(Ordering::SeqCst)), (hits, 0));
}

/// A service that answers in this version of HTTP, and says which one it was asked in.
async fn speaking(version: &'static str) -> SocketAddr {
    serve_bytes(move |mut stream, _| async move {
        loop {
            let head = read_head(&mut stream).await;
            let asked_in = match head.lines().next() {
                Some(line) if line.ends_with(" HTTP/1.1") => "1.1",
                Some(_) => "1.0",
                None => return,
            };
            let answer = format!(
                "HTTP/{version} 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\n{asked_in}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn the_old_version_of_http_ends_at_the_gateway() {
    let stage = Stage::at(&[speaking("1.1").await], "{}");
    let answer = stage.raw(format!("GET {JWKS} HTTP/1.0\r\n\r\n").as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.ends_with("1.1"),
        "{answer}"
    );
    let stage = Stage::at(&[speaking("1.0").await], "{}");
    let new = format!("GET {JWKS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = stage.raw(new.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("1.1"),
        "{answer}"
    );
}

#[tokio::test]
async fn not_modified_has_no_body_and_the_connection_goes_on() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = serve_bytes(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while read_head(&mut stream).await.contains("if-none-match: \"e\"") {
                let answer = b"HTTP/1.1 304 Not Modified\r\netag: \"e\"\r\ncontent-length: 100\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    for _ in 0..3 {
        let request = stage.client.request(Method::GET, JWKS, As::Anyone);
        let answer = Client::send(request.header("if-none-match", "\"e\""))
            .await
            .expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), "\"e\"");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_is_none() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1_000_000));
    let broken = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\nok",
        "HTTP/9.9 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        &large,
    ];
    for answer in broken {
        let text = answer.to_owned();
        let address = serve_bytes(move |mut stream, _| {
            let text = text.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(text.as_bytes()).await;
            }
        })
        .await;
        let stage = Stage::at(&[address], "{}");
        let answer = stage
            .client
            .post("/login", As::Anyone, &serde_json::json!({}))
            .await;
        assert_eq!(answer.problem(502), "bad-gateway");
    }
}

#[tokio::test]
async fn a_crooked_chunk_of_a_service_does_not_look_like_an_end() {
    for chunks in ["zz\r\n", "2\r\nokX", "2\r\nok\r\n0\r\nX\r\n\r\n", "2\r\nok\r\n"] {
        let address = serve_bytes(move |mut stream, _| async move {
            read_head(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let stage = Stage::at(&[address], "{}");
        let request = stage.client.request(Method::GET, JWKS, As::Anyone);
        let whole = async { request.send().await?.bytes().await }.await;
        assert!(whole.is_err(), "{chunks}: {whole:?}");
    }
}

#[tokio::test]
async fn what_comes_after_an_answer_is_nobodys() {
    let address = serve_bytes(|mut stream, _| async move {
        while read_head(&mut stream).await.ends_with("\r\n\r\n") {
            let two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
            stream.write_all(two).await.unwrap();
        }
    })
    .await;
    let stage = Stage::at(&[address], "{gateway: {workers: 1}}");
    for _ in 0..10 {
        assert_eq!(stage.client.get(JWKS, As::Anyone).await.expect(200).text(), "ok");
    }
}

#[tokio::test]
async fn no_other_protocol_is_spoken_through_the_gateway() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    for upgrade in ["websocket", "h2c", "TLS/1.2"] {
        let head = format!(
            "GET {JWKS} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let answer = stage.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{upgrade}: {answer}");
    }
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn what_a_bare_error_says_about_trying_again_stays() {
    let bare = |status: StatusCode, name: header::HeaderName, value: &'static str| {
        serve_router(Router::new().fallback(move || async move { (status, [(name, value)], "secret") }))
    };
    let kept = [
        (
            StatusCode::METHOD_NOT_ALLOWED,
            header::ALLOW,
            "PUT",
            "method-not-allowed",
        ),
        (
            StatusCode::TOO_MANY_REQUESTS,
            header::RETRY_AFTER,
            "7",
            "rate-limited",
        ),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            header::RETRY_AFTER,
            "8",
            "unavailable",
        ),
    ];
    for (status, name, value, code) in kept {
        let stage = Stage::at(&[bare(status, name.clone(), value).await], "{}");
        let answer = stage.client.get(JWKS, As::Anyone).await;
        assert_eq!(answer.problem(status.as_u16()), code);
        assert_eq!(answer.headers[name], value);
    }
}

#[tokio::test]
async fn a_refusal_that_leaves_a_body_unread_ends_the_connection() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    for path in ["/nowhere", "/users/me", "/records", "/"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        let answer = stage.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(answer.contains("connection: close"), "{path}: {answer}");
    }
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let two = "POST /nowhere HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(two.as_bytes()).await.unwrap();
    let answers = read_to_end(&mut stream).await;
    assert_eq!(
        answers.matches("HTTP/1.1 404").count(),
        2,
        "without one it goes on: {answers}"
    );
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn whoever_may_have_acted_is_not_forgotten_over_one_that_was_never_reached() {
    let breaking = serve_bytes(|mut stream, _| async move {
        read_head(&mut stream).await;
    })
    .await;
    // Whichever is asked first.
    let dead = dead_address().await;
    for instances in [[breaking, dead], [dead, breaking]] {
        let stage = Stage::at(&instances, "{}");
        let answer = stage.client.get(JWKS, As::Anyone).await;
        assert_eq!(
            answer.problem(502),
            "bad-gateway",
            "503 would say that nothing was sent"
        );
    }
}
