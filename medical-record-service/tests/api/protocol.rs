//! Forms that are broken, endless, slow or cut off.

use common_testing::eventually;
use serde_json::json;

use crate::helpers::{PDF, Person, TestApp, Wire, form, part};

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
    whole(patient) + file
}

const FORM: &str = "multipart/form-data; boundary=X";

/// What follows the patient and the type, and the answer.
const PARTS: [(&str, &str, u16, &str); 9] = [
    ("title", "a", 201, "a good form"),
    ("patient_id", "x", 422, "a field twice"),
    ("status", "FINAL", 422, "an unknown field"),
    ("author_id", "x", 422, "a field that is ours"),
    ("amendment_reason", "x", 422, "a field of amendments"),
    ("data", "[1]", 422, "data that is no object"),
    ("data", "{\"a\":", 422, "data that is no JSON"),
    ("occurred_at", "now", 422, "no instant"),
    ("record_type\"; x=\"", "OTHER", 422, "a name with a quote"),
];

/// Whole bodies, and the answer.
const BODIES: [(&str, &str, u16, &str); 12] = [
    ("multipart/form-data", "--X--\r\n", 400, "no boundary"),
    (FORM, "", 400, "nothing"),
    (FORM, "rubbish", 400, "rubbish"),
    (
        FORM,
        "--X\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nx",
        400,
        "no end",
    ),
    (
        FORM,
        "--X\r\n\r\nno name\r\n--X--\r\n",
        400,
        "a part without a name",
    ),
    (FORM, "--X--\r\n", 422, "no parts"),
    ("application/xml", "<a/>", 415, "XML"),
    ("text/plain", "a", 415, "text"),
    (
        "application/x-www-form-urlencoded",
        "patient_id=1",
        415,
        "a web form",
    ),
    ("application/json", "{", 400, "half JSON"),
    ("application/json", "[]", 422, "no object"),
    ("application/json", "{\"patient_id\":1}", 422, "a number as id"),
];

#[tokio::test]
async fn broken_forms_are_refused_with_the_right_status() {
    let app = TestApp::start().await;
    let patient = app.patient();
    for (name, value, status, why) in PARTS {
        let body = whole(&patient) + &field(name, value) + "--X--\r\n";
        assert_eq!(post(&app, &patient, FORM, body.as_bytes()).await, status, "{why}");
    }
    for (content_type, body, status, why) in BODIES {
        assert_eq!(
            post(&app, &patient, content_type, body.as_bytes()).await,
            status,
            "{why}"
        );
    }
    let body = whole(&patient);
    assert_eq!(
        post(&app, &patient, FORM, body.as_bytes()).await,
        400,
        "no final boundary"
    );
    let body = whole(&patient) + &field("title", &"x".repeat(2_000)) + "--X--\r\n";
    assert_eq!(
        post(&app, &patient, FORM, body.as_bytes()).await,
        422,
        "an endless title"
    );
    let body = format!("{{\"notes\":\"{}\"}}", "x".repeat(300_000));
    assert_eq!(
        post(&app, &patient, "application/json", body.as_bytes()).await,
        413,
        "JSON beyond the limit"
    );
    assert_eq!(app.count("records").await, 1);
}

fn whole(patient: &Person) -> String {
    field("patient_id", &patient.id.to_string()) + &field("record_type", "OTHER")
}

#[tokio::test]
async fn a_form_of_a_million_parts_ends_at_the_first_repetition() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = field("title", "x").repeat(20_000);
    assert_eq!(post(&app, &patient, FORM, body.as_bytes()).await, 422);
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
