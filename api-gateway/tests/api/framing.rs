//! Bytes that two parsers could read differently, and connections beyond the caps.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{Echo, Stage, read_to_end};

/// Sent behind each trick: it must never be seen as a request of its own.
const SMUGGLED: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn nothing_is_smuggled_in() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let tricks = [
        (
            "CL and TE",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE and CL",
            "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        ),
        (
            "equal lengths",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "length list",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
        ),
        (
            "signed length",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
        ),
        (
            "length in two words",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0 0\r\n\r\n",
        ),
        (
            "blank before colon",
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
        ),
        (
            "TE list",
            "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE identity",
            "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        ),
        (
            "TE twice",
            "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE in 1.0",
            "POST /login HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "bare line feeds",
            "POST /login HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
        ),
        (
            "one bare line feed",
            "POST /login HTTP/1.1\r\nHost: a\nContent-Length: 0\r\n\r\n",
        ),
        (
            "folded header",
            "POST /login HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n Content-Length: 44\r\n\r\n",
        ),
        ("no host", "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        ("two hosts", "POST /login HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (
            "absolute form",
            "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "authority form",
            "CONNECT 127.0.0.1:3306 HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        ("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            "h2c",
            "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
        ),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("HTTP/0.9", "GET /\r\n"),
    ];
    for (trick, bytes) in tricks {
        let answer = stage.raw(format!("{bytes}{SMUGGLED}").as_bytes()).await;
        let refused = ["400", "505"]
            .iter()
            .any(|status| answer.starts_with(&format!("HTTP/1.1 {status}")));
        assert!(refused, "{trick}: {answer}");
        assert_eq!(answer.matches("x-request-id: ").count(), 1, "{trick}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("\"request_id\":\""),
            "{trick}: {answer}"
        );
        assert!(answer.contains("connection: close"), "{trick}: {answer}");
        for secured in [
            "strict-transport-security: ",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(secured), "{trick}: {answer}");
        }
        assert_eq!(echo.hits(), 0, "{trick}");
    }
}

/// `bytes` in two pieces, one after the other.
async fn in_two(stage: &Stage, bytes: &[u8], at: usize) -> String {
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&bytes[..at]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    let _ = stream.write_all(&bytes[at..]).await;
    read_to_end(&mut stream).await
}

#[tokio::test]
async fn a_bad_head_is_explained_in_whatever_pieces_it_comes() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let heads = [
        "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
    ];
    for head in heads {
        for at in 1..head.len() {
            let answer = in_two(&stage, head.as_bytes(), at).await;
            let is_ours = answer.contains("x-request-id: ") && answer.contains("application/problem+json");
            assert!(is_ours, "{head:?} cut at {at}: {answer:?}");
        }
    }
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn requests_in_whatever_pieces_are_the_same_requests() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let two = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
               GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for at in 1..two.len() {
        let answers = in_two(&stage, two.as_bytes(), at).await;
        assert_eq!(
            answers.matches("HTTP/1.1 200").count(),
            2,
            "cut at {at}: {answers}"
        );
    }
    assert_eq!(echo.hits(), 2 * (two.len() - 1));
}

#[tokio::test]
async fn whatever_character_a_target_has_the_gateway_itself_answers() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    for character in (0x21..=0x7e_u8).map(char::from) {
        for target in [format!("/users/a{character}b"), format!("/livez?a{character}b")] {
            let answer = stage
                .raw(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
            assert!(answer.contains("x-request-id: "), "{target}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_crooked_chunk_ends_the_request_and_the_connection() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let head = "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "5;x=1\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "zz\r\n",
        "-5\r\nhello\r\n",
    ] {
        let answer = stage.raw(format!("{head}{chunks}{SMUGGLED}").as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{chunks}: {answer}"
        );
        assert!(
            answer.matches("x-request-id: ").count() <= 1,
            "{chunks}: {answer}"
        );
    }
    let good = format!(
        "{head}5\r\nhello\r\n0\r\n\r\nGET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    let answer = stage.raw(good.as_bytes()).await;
    assert_eq!(
        answer.matches("HTTP/1.1 200").count(),
        2,
        "pipelining works: {answer}"
    );
}

#[tokio::test]
async fn heads_are_bounded() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(5000));
    assert!(stage.raw(long.as_bytes()).await.starts_with("HTTP/1.1 414"));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    assert!(stage.raw(large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(100));
    assert!(stage.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}Connection: close\r\n\r\n",
        "X: 1\r\n".repeat(60)
    );
    assert!(stage.raw(many.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn connections_are_capped_altogether_and_per_address() {
    let echo = Echo::start().await;
    for yaml in [
        "{server: {max_connections: 5}}",
        "{gateway: {connection: {per_address: 5}}}",
    ] {
        let stage = Stage::at(&[echo.address], yaml);
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(stage.address).await.unwrap();
            stream
                .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            held.push(stream);
        }
        let answer = stage
            .try_raw(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        assert!(answer.is_empty(), "{yaml}: {answer}");
        held.clear();
        common_testing::eventually("a free place", || async {
            let answer = stage
                .try_raw(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await;
            answer.starts_with("HTTP/1.1 200").then_some(())
        })
        .await;
    }
}
