//! The malware scanner: a stand-in for clamd, and what becomes of files when it speaks, lies or is silent.

use std::net::SocketAddr;

use common_testing::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{TestApp, form, part};

/// Reads INSTREAM as clamd does; what holds `VIRUS` is found.
async fn clamd(answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    drop(tokio::task::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let file = receive(&mut socket).await;
            let verdict = if String::from_utf8_lossy(&file).contains("VIRUS") {
                "stream: Test.VIRUS FOUND\0"
            } else {
                "stream: OK\0"
            };
            socket
                .write_all(answer.unwrap_or(verdict).as_bytes())
                .await
                .unwrap();
        }
    }));
    address
}

async fn receive(socket: &mut TcpStream) -> Vec<u8> {
    let mut command = [0; 10];
    socket.read_exact(&mut command).await.unwrap();
    assert_eq!(&command, b"zINSTREAM\0");
    let mut file = Vec::new();
    loop {
        let length = socket.read_u32().await.unwrap() as usize;
        if length == 0 {
            return file;
        }
        let begin = file.len();
        file.resize(begin + length, 0);
        socket.read_exact(&mut file[begin..]).await.unwrap();
    }
}

async fn app(scanner: SocketAddr) -> TestApp {
    TestApp::with_settings(&format!(
        "records: {{scanner: \"{scanner}\", scanner_timeout_ms: 500}}"
    ))
    .await
}

async fn nothing_stays(app: &TestApp) {
    eventually("nothing stays", || async {
        (app.count("fs.chunks").await + app.count("uploads").await == 0).then_some(())
    })
    .await;
    assert_eq!(app.count("records").await, 0);
}

#[tokio::test]
async fn what_the_scanner_finds_is_not_stored() {
    let app = app(clamd(None).await).await;
    let patient = app.patient();
    let upload = async |text: String| {
        app.upload(
            &patient,
            form(&patient, "OTHER").part("file", part(text.as_bytes(), "a.txt", "text/plain")),
        )
        .await
    };
    assert_eq!(
        upload("harmless ".repeat(100_000) + "VIRUS").await.problem(422),
        "malware-found"
    );
    nothing_stays(&app).await;
    upload("harmless ".repeat(100_000)).await.expect(201);
}

#[tokio::test]
async fn without_a_verdict_no_file_is_taken() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let odd = clamd(Some("INSTREAM size limit exceeded. ERROR\0")).await;
    for scanner in [gone, silent.local_addr().unwrap(), odd] {
        let app = app(scanner).await;
        let patient = app.patient();
        let answer = app
            .upload(
                &patient,
                form(&patient, "OTHER").part("file", part(b"text", "a.txt", "text/plain")),
            )
            .await;
        assert_eq!(answer.problem(503), "unavailable");
        nothing_stays(&app).await;
        // A record without a file needs no scanner.
        app.note(&patient, &patient).await;
    }
}
