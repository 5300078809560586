//! Clients that take for ever, and what they cost the others.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use common_testing::{As, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::helpers::{Echo, Stage, body_of, read_to_end, serve_router};

#[tokio::test]
async fn half_a_head_is_not_waited_for_without_end() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], "{server: {header_timeout_s: 1}}");
    for beginning in ["", "GET /", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        // A byte now and then buys no time.
        let mut dripping = tokio::time::interval(Duration::from_millis(200));
        let mut scrap = [0; 256];
        let ended = loop {
            tokio::select! {
                _ = dripping.tick(), if !beginning.is_empty() => { let _ = stream.write_all(b"x").await; }
                read = stream.read(&mut scrap) => break read,
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{beginning:?} is still waited for"
            );
        };
        // Closed, or told so first: which of the two depends on where in the head the time was up.
        let told = scrap.starts_with(b"HTTP/1.1 4");
        assert!(
            told || matches!(ended, Ok(0) | Err(_)),
            "{beginning:?}: {ended:?}"
        );
        assert!(begun.elapsed() > Duration::from_millis(800));
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], "{gateway: {connection: {stall_s: 1}}}");
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        .await
        .unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_has_so_much_time_and_no_more_whether_it_drips_or_stops() {
    let echo = Echo::start().await;
    let routes = "[{path: /drip, methods: [POST], service: user-service, who: public, body_timeout_ms: 700}]";
    let stage = Stage::at(&[echo.address], &format!("{{gateway: {{routes: {routes}}}}}"));
    for (framing, drop) in [
        ("Content-Length: 100000", "1\r\nx\r\n"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n"),
        ("Content-Length: 100000", ""),
    ] {
        let begun = Instant::now();
        let stream = TcpStream::connect(stage.address).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let head = format!("POST /drip HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let drip = tokio::task::spawn(async move {
            while writing.write_all(drop.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = [0; 12];
        reading.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
        let took = begun.elapsed();
        assert!(
            (Duration::from_millis(600)..Duration::from_secs(3)).contains(&took),
            "{took:?}"
        );
        drip.abort();
    }
}

/// A connection from another address of this machine than everybody else's.
async fn connect_from(client: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((client, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn slow_bodies_of_one_caller_leave_room_for_the_others() {
    let echo = Echo::start().await;
    let yaml = "{gateway: {rate_limit: {scale: 1, classes: {login: {per_minute: 60000, burst: 10000}}}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let mut slow = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let head = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx";
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    let mut refused = 0;
    for stream in &mut slow {
        let mut status = [0; 12];
        let waiting = tokio::time::timeout(Duration::from_millis(10), stream.read_exact(&mut status));
        if waiting.await.is_ok() {
            assert_eq!(&status, b"HTTP/1.1 429");
            refused += 1;
        }
    }
    assert_eq!(refused, 600 - 64, "so many are under way at once and no more");
    let mut other = connect_from([127, 0, 0, 2], stage.address).await;
    let whole = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    other.write_all(whole).await.unwrap();
    let answer = read_to_end(&mut other).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(slow);
    eventually("places that are free again", || async {
        let answer = stage
            .client
            .post("/login", As::Anyone, &serde_json::json!({}))
            .await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// What five hundred clients begin and never end.
enum Slow {
    Heads,
    Bodies,
    Reads,
}

impl Slow {
    fn beginning(&self) -> &'static [u8] {
        match self {
            Self::Heads => b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
            Self::Bodies => b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
            Self::Reads => b"GET /doctors/large/slots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ",
        }
    }
}

/// The ninety-ninth percentile of a normal client's waiting beside 500 slow ones.
async fn p99_beside(slow: Slow) -> Duration {
    let large = || async { body_of(4 * 1024 * 1024) };
    let router = Router::new()
        .route("/doctors/large/slots", axum::routing::get(large))
        .fallback(|| async { "small" });
    let stage = Stage::at(&[serve_router(router).await], "{}");
    let token = stage.token(common::auth::Role::Patient);
    let mut held = Vec::new();
    for number in 0..500 {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(slow.beginning()).await.unwrap();
        if matches!(slow, Slow::Reads) {
            stream
                .write_all(format!("{token}\r\n\r\n").as_bytes())
                .await
                .unwrap();
        }
        if matches!(slow, Slow::Reads) && number % 50 == 0 {
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            assert_eq!(&status, b"HTTP/1.1 200", "its answer has begun");
        }
        held.push(stream);
    }
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        stage
            .client
            .get("/.well-known/jwks.json", As::Anyone)
            .await
            .expect(200);
        times.push(begun.elapsed());
    }
    times.sort();
    times[197]
}

#[tokio::test]
async fn slow_clients_do_not_slow_the_others() {
    for (name, slow) in [
        ("heads", Slow::Heads),
        ("bodies", Slow::Bodies),
        ("reads", Slow::Reads),
    ] {
        let p99 = p99_beside(slow).await;
        assert!(p99 < Duration::from_millis(200), "{name}: p99 {p99:?}");
    }
}
