//! Forms that are broken, endless, slow or cut off.

use std::time::Duration;

use common_testing::eventually;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{PDF, Person, TestApp, form, part};

/// A request written by hand.
struct Wire {
    socket: TcpStream,
}

impl Wire {
    async fn open(app: &TestApp, who: &Person, headers: &str) -> Self {
        let mut socket = TcpStream::connect(app.server.address).await.unwrap();
        let head = format!(
            "POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}\r\n\r\n",
            who.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Self { socket }
    }

    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    async fn status(&mut self) -> u16 {
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), self.socket.read_exact(&mut answer)).await;
        read.expect("an answer in time").unwrap();
        String::from_utf8_lossy(&answer[9..]).parse().unwrap()
    }
}

/// A whole form in one piece.
async fn post(app: &TestApp, who: &Person, content_type: &str, body: &[u8]) -> u16 {
    let headers = format!("content-type: {content_type}\r\ncontent-length: {}", body.len());
    let mut wire = Wire::open(app, who, &headers).await;
    wire.send(body).await;
    wire.status().await
}

fn field(name: &str, value: &str) -> String {
    format!("--X\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn opening(patient: &Person) -> String {
    let file = "--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\n";
    field("patient_id", &patient.id.to_string()) + &field("record_type", "OTHER") + file
}

const FORM: &str = "multipart/form-data; boundary=X";

#[tokio::test]
async fn broken_forms_are_refused_with_the_right_status() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let whole = field("patient_id", &patient.id.to_string()) + &field("record_type", "OTHER");
    let boundary = "b".repeat(70_000 / 8);
    let cases: Vec<(&str, String, u16, &str)> = vec![
        (FORM, whole.clone() + "--X--\r\n", 201, "a good one"),
        (
            "multipart/form-data",
            whole.clone() + "--X--\r\n",
            400,
            "no boundary",
        ),
        (FORM, whole.clone(), 400, "no final boundary"),
        (FORM, String::new(), 400, "nothing"),
        (FORM, "rubbish".to_owned(), 400, "rubbish"),
        (
            FORM,
            whole.clone() + &field("title", "a") + &field("title", "b") + "--X--\r\n",
            422,
            "a field twice",
        ),
        (
            FORM,
            whole.clone() + &field("status", "FINAL") + "--X--\r\n",
            422,
            "an unknown field",
        ),
        (
            FORM,
            whole.clone() + &field("author_id", "x") + "--X--\r\n",
            422,
            "a field that is ours",
        ),
        (
            FORM,
            whole.clone() + &field("amendment_reason", "x") + "--X--\r\n",
            422,
            "a field of amendments",
        ),
        (
            FORM,
            whole.clone() + &field("data", "[1]") + "--X--\r\n",
            422,
            "data that is no object",
        ),
        (
            FORM,
            whole.clone() + &field("data", "{\"a\":") + "--X--\r\n",
            422,
            "data that is no JSON",
        ),
        (
            FORM,
            whole.clone() + &field("title", &"x".repeat(2_000)) + "--X--\r\n",
            422,
            "an endless title",
        ),
        (
            FORM,
            "--X\r\n\r\nno name\r\n".to_owned() + &whole + "--X--\r\n",
            422,
            "a part without a name",
        ),
        (
            FORM,
            field("patient_id", "{\"$ne\":null}") + &field("record_type", "OTHER") + "--X--\r\n",
            422,
            "an operator as id",
        ),
        (
            FORM,
            field("record_type", "OTHER") + "--X--\r\n",
            422,
            "no patient",
        ),
        (
            FORM,
            field("patient_id", &patient.id.to_string()) + "--X--\r\n",
            422,
            "no type",
        ),
        ("application/xml", "<a/>".to_owned(), 415, "XML"),
        ("text/plain", "a".to_owned(), 415, "text"),
        (
            "application/x-www-form-urlencoded",
            "patient_id=1".to_owned(),
            415,
            "a web form",
        ),
        ("application/json", "{".to_owned(), 400, "half JSON"),
        (
            "application/json",
            "{\"patient_id\":1}".to_owned(),
            422,
            "a number as id",
        ),
        (
            "application/json",
            format!("{{\"notes\":\"{}\"}}", "x".repeat(300_000)),
            413,
            "JSON beyond the limit",
        ),
    ];
    for (content_type, body, status, why) in cases {
        assert_eq!(
            post(&app, &patient, content_type, body.as_bytes()).await,
            status,
            "{why}"
        );
    }
    let long = format!("multipart/form-data; boundary={boundary}");
    let body = whole.replace("--X", &format!("--{boundary}")) + &format!("--{boundary}--\r\n");
    assert!(
        matches!(post(&app, &patient, &long, body.as_bytes()).await, 201 | 400),
        "a boundary of nine thousand letters"
    );
    assert_eq!(
        app.count("records").await,
        1 + u64::from(app.count("records").await == 2)
    );
}

#[tokio::test]
async fn two_files_are_one_too_many() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let two = form(&patient, "OTHER")
        .part("file", part(PDF, "a.pdf", "application/pdf"))
        .part("file", part(PDF, "b.pdf", "application/pdf"));
    assert_eq!(app.upload(&patient, two).await.problem(422), "invalid-request");
    eventually("no file stays", || async {
        (app.count("fs.files").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_boundary_inside_the_content_is_content() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let content = "line\r\n--Xenon is no boundary\r\n-- X\r\n";
    let body = opening(&patient) + content + "\r\n--X--\r\n";
    // `--Xenon` begins like the boundary; the parser decides by the whole line, or refuses.
    let status = post(&app, &patient, FORM, body.as_bytes()).await;
    assert!(matches!(status, 201 | 400), "{status}");
}

#[tokio::test]
async fn endless_headers_and_preambles_are_cut() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let header = format!("--X\r\nx-a: {}", "y".repeat(1_000_000));
    assert_eq!(post(&app, &patient, FORM, header.as_bytes()).await, 413);
    let preamble = "z".repeat(1_000_000);
    assert_eq!(post(&app, &patient, FORM, preamble.as_bytes()).await, 413);
}

#[tokio::test]
async fn a_file_in_tiny_pieces_arrives_whole() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = opening(&patient) + "drop by drop\r\n--X--\r\n";
    let mut wire = Wire::open(
        &app,
        &patient,
        &format!("content-type: {FORM}\r\ntransfer-encoding: chunked"),
    )
    .await;
    for byte in body.bytes() {
        wire.send(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await;
    }
    wire.send(b"0\r\n\r\n").await;
    assert_eq!(wire.status().await, 201);
}

#[tokio::test]
async fn a_stream_without_end_is_cut_at_the_limit() {
    let app = TestApp::with_settings("records: {max_file_bytes: 1000000}").await;
    let patient = app.patient();
    let mut wire = Wire::open(
        &app,
        &patient,
        &format!("content-type: {FORM}\r\ntransfer-encoding: chunked"),
    )
    .await;
    let opening = opening(&patient);
    wire.send(format!("{:x}\r\n{opening}\r\n", opening.len()).as_bytes())
        .await;
    let piece = format!("{:x}\r\n{}\r\n", 65_536, "a".repeat(65_536));
    // Far more than the limit and far less than what would be drained.
    for _ in 0..300 {
        if !wire.send(piece.as_bytes()).await {
            break;
        }
    }
    wire.send(b"0\r\n\r\n").await;
    assert_eq!(wire.status().await, 413);
    eventually("nothing of it stays", || async {
        (app.count("fs.chunks").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_asks_before_sending_too_much_is_told_at_once() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let headers = format!("content-type: {FORM}\r\ncontent-length: 99999999\r\nexpect: 100-continue");
    assert_eq!(Wire::open(&app, &patient, &headers).await.status().await, 413);
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let app = TestApp::with_settings("records: {upload_idle_s: 1}").await;
    let patient = app.patient();
    let mut wire = Wire::open(
        &app,
        &patient,
        &format!("content-type: {FORM}\r\ncontent-length: 1000000"),
    )
    .await;
    wire.send((opening(&patient) + "half a li").as_bytes()).await;
    assert_eq!(wire.status().await, 408);
    eventually("its file is gone", || async {
        (app.count("uploads").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_cut_off_at_any_point_leaves_nothing() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = opening(&patient) + &"a".repeat(1_000_000) + "\r\n--X--\r\n";
    for tenth in 1..10 {
        let headers = format!("content-type: {FORM}\r\ncontent-length: {}", body.len());
        let mut wire = Wire::open(&app, &patient, &headers).await;
        wire.send(&body.as_bytes()[..body.len() * tenth / 10]).await;
        drop(wire);
    }
    eventually("no chunk, no entry, no note", || async {
        let left = app.count("fs.chunks").await + app.count("fs.files").await + app.count("uploads").await;
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(app.count("records").await, 0);
}

#[tokio::test]
async fn one_user_cannot_keep_all_places() {
    let app = TestApp::with_settings("records: {max_uploads_per_user: 2}").await;
    let (greedy, modest) = (app.patient(), app.patient());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::open(
            &app,
            &greedy,
            &format!("content-type: {FORM}\r\ncontent-length: 1000000"),
        )
        .await;
        wire.send((opening(&greedy) + &"a".repeat(300_000)).as_bytes())
            .await;
        held.push(wire);
    }
    eventually("both are being received", || async {
        (app.count("uploads").await == 2).then_some(())
    })
    .await;
    let refused = app
        .upload(
            &greedy,
            form(&greedy, "OTHER").part("file", part(PDF, "a.pdf", "application/pdf")),
        )
        .await;
    assert_eq!(refused.problem(429), "too-many-uploads");
    assert!(refused.headers.contains_key("retry-after"));
    app.upload(
        &modest,
        form(&modest, "OTHER").part("file", part(PDF, "a.pdf", "application/pdf")),
    )
    .await
    .expect(201);
    let body = json!({"patient_id": greedy.id, "record_type": "OTHER"});
    app.post(&greedy, &body).await.expect(201);
    drop(held);
    eventually("the places are free again", || async {
        let upload = form(&greedy, "OTHER").part("file", part(PDF, "a.pdf", "application/pdf"));
        (app.upload(&greedy, upload).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn packed_bodies_are_refused() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = opening(&patient);
    let headers = format!(
        "content-type: {FORM}\r\ncontent-encoding: gzip\r\ncontent-length: {}",
        body.len()
    );
    let mut wire = Wire::open(&app, &patient, &headers).await;
    wire.send(body.as_bytes()).await;
    assert_eq!(wire.status().await, 415);
}
