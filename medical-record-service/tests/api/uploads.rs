//! What may be uploaded, under which name, and what becomes of the rest.

use common_testing::eventually;
use reqwest::multipart::Form;
use serde_json::json;

use crate::helpers::{PDF, TestApp, form, part};

fn dicom(preamble: &[u8]) -> Vec<u8> {
    let mut file = preamble.to_vec();
    file.resize(128, 0);
    file.extend(b"DICM\x02\x00\x00\x00UL\x04\x00");
    file
}

#[tokio::test]
async fn five_types_are_taken_by_content() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let dicom = dicom(b"");
    let cases: [(&[u8], &str, &str, &str); 9] = [
        (PDF, "a.pdf", "application/pdf", "application/pdf"),
        (PDF, "a", "application/octet-stream", "application/pdf"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01",
            "a.png",
            "image/png",
            "image/png",
        ),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a.jpg", "image/jpeg", "image/jpeg"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a.jpeg", "image/jpg", "image/jpeg"),
        (&dicom, "a.dcm", "application/dicom", "application/dicom"),
        (&dicom, "IM0001", "application/octet-stream", "application/dicom"),
        (
            "Größe 1,80 m\n".as_bytes(),
            "a.txt",
            "text/plain; charset=utf-8",
            "text/plain",
        ),
        (b"a;b\n1;2\n", "a.csv", "text/plain", "text/plain"),
    ];
    for (bytes, name, declared, stored) in cases {
        let answer = app
            .upload(
                &patient,
                form(&patient, "OTHER").part("file", part(bytes, name, declared)),
            )
            .await;
        assert_eq!(
            answer.expect(201).json()["file"]["content_type"],
            stored,
            "{name} as {declared}"
        );
    }
}

/// Content, name, declared type, and what it is.
const REFUSED: [(&[u8], &str, &str, &str); 18] = [
    (
        b"<!DOCTYPE html><script>alert(1)</script>",
        "a.pdf",
        "application/pdf",
        "HTML as PDF",
    ),
    (
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "a.png",
        "image/png",
        "SVG as PNG",
    ),
    (
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "a.svg",
        "image/svg+xml",
        "SVG",
    ),
    (b"<html>", "a.txt", "text/plain", "HTML as text"),
    (b"<?xml version='1.0'?><a/>", "a.txt", "text/plain", "XML as text"),
    (
        b"GIF89a/*\x01*/=1;alert(1)",
        "a.png",
        "image/png",
        "GIF and script",
    ),
    (
        br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
        "a.txt",
        "text/plain",
        "EICAR",
    ),
    (
        b"PK\x03\x04\x14\0\0\0\x08\0",
        "a.docx",
        "application/octet-stream",
        "a zip",
    ),
    (
        b"\x1f\x8b\x08\0\0\0\0\0",
        "a.gz",
        "application/octet-stream",
        "gzip",
    ),
    (
        b"MZ\x90\0\x03\0\0\0",
        "a.exe",
        "application/octet-stream",
        "a program",
    ),
    (b"#!/bin/sh\nrm -rf /\n", "a.txt", "text/plain", "a script"),
    (b"\0", "a.bin", "application/octet-stream", "one byte of nothing"),
    (b"caf\xe9", "a.txt", "text/plain", "Latin-1"),
    (PDF, "a.pdf", "image/png", "PDF declared as PNG"),
    (PDF, "a.pdf", "text/html", "PDF declared as HTML"),
    (b"plain", "a.txt", "application/pdf", "text declared as PDF"),
    (PDF, "a.jpg", "application/octet-stream", "PDF named JPEG"),
    (PDF, "a.jpg", "image/jpeg", "PDF named and declared JPEG"),
];

#[tokio::test]
async fn anything_else_is_415_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let text = |length: usize, end: u8| [vec![b'a'; length], vec![end]].concat();
    let made: [(&[u8], &str, &str, &str); 4] = [
        (
            &dicom(b"<html><script>alert(1)</script>"),
            "a.dcm",
            "application/dicom",
            "DICOM with a page in front",
        ),
        (
            &dicom(b"MZ\x90"),
            "a.dcm",
            "application/dicom",
            "DICOM with a program in front",
        ),
        (&text(600_000, 0), "a.txt", "text/plain", "text with a late NUL"),
        (
            &text(300_000, 0xc3),
            "a.txt",
            "text/plain",
            "text cut within a character",
        ),
    ];
    for (bytes, name, declared, why) in REFUSED.into_iter().chain(made) {
        let form = form(&patient, "OTHER").part("file", part(bytes, name, declared));
        assert_eq!(
            app.upload(&patient, form).await.problem(415),
            "unsupported-media-type",
            "{why}"
        );
    }
    nothing_left(&app).await;
}

/// No record, no file, no half file.
async fn nothing_left(app: &TestApp) {
    assert_eq!(app.count("records").await, 0);
    eventually("nothing is left behind", || async {
        let mut left = 0;
        for collection in ["fs.chunks", "fs.files", "uploads"] {
            left += app.count(collection).await;
        }
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn empty_files_and_monstrous_pictures_are_422() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let lottapixel = b"\xff\xd8\xff\xc0\x00\x11\x08\xfa\xfa\xfa\xfa\x03";
    for (bytes, name) in [(b"".as_slice(), "a.pdf"), (lottapixel, "a.jpg")] {
        let answer = app
            .upload(
                &patient,
                form(&patient, "OTHER").part("file", part(bytes, name, "application/octet-stream")),
            )
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{name}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/file");
    }
    nothing_left(&app).await;
}

#[tokio::test]
async fn hostile_names_are_stored_clean_and_sent_safely() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let long = format!("{}.pdf", "é".repeat(4_096));
    let names = [
        "../../etc/passwd",
        "..\\..\\x",
        "/abs",
        "C:\\x",
        "x.pdf%00.html",
        ".htaccess",
        "CON",
        "cod\u{202e}fdp.exe",
        "; filename=x",
        ".",
        "-rf",
        "😀.pdf",
        "a;b=c.pdf",
        "名前.pdf",
        "$(id).pdf",
        "' OR 1=1.pdf",
        "<script>.pdf",
        &long,
    ];
    for name in names {
        let answer = app
            .upload(
                &patient,
                form(&patient, "OTHER").part("file", part(PDF, name, "application/pdf")),
            )
            .await;
        let record = answer.expect(201).json();
        let kept = record["file"]["name"].as_str().unwrap();
        assert!(
            kept.rsplit('.').next() == Some("pdf")
                && !kept.starts_with(['.', '-'])
                && kept.chars().count() <= 160,
            "{name:?}: {kept:?}"
        );
        assert!(
            !kept.contains(['/', '\\', '<', '>', ':', '\u{202e}']),
            "{name:?}: {kept:?}"
        );
        let path = format!("/records/{}/{}/file", patient.id, record["id"].as_str().unwrap());
        let sent = app.get(&patient, &path).await.expect(200);
        let header = sent.header("content-disposition");
        assert!(
            header.starts_with("attachment; filename=\"") && header.matches('"').count() == 2,
            "{header}"
        );
    }
}

#[tokio::test]
async fn one_byte_over_the_limit_is_413_and_memory_stays_small() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let limit = 25 * 1024 * 1024;
    let exact = vec![b'a'; limit];
    let answer = app
        .upload(
            &patient,
            form(&patient, "OTHER").part("file", part(&exact, "a.txt", "text/plain")),
        )
        .await;
    assert_eq!(answer.expect(201).json()["file"]["size"], limit);
    let over = vec![b'a'; limit + 1];
    let answer = app
        .upload(
            &patient,
            form(&patient, "OTHER").part("file", part(&over, "a.txt", "text/plain")),
        )
        .await;
    assert_eq!(answer.problem(413), "too-large");
    assert_eq!(app.count("records").await, 1);
    eventually("only the kept file is there", || async {
        (app.count("fs.files").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_caller_is_told_before_the_file_is_taken_or_after() {
    let app = TestApp::start().await;
    let (patient, stranger, pending) = (app.patient(), app.doctor(), app.pending_doctor());
    let file = || part(&vec![b'a'; 2_000_000], "a.txt", "text/plain");
    for caller in [&stranger, &pending, &app.admin(), &app.patient()] {
        let first = form(&patient, "OTHER").part("file", file());
        assert_eq!(app.upload(caller, first).await.status.as_u16(), 403);
        let last = Form::new()
            .part("file", file())
            .text("patient_id", patient.id.to_string())
            .text("record_type", "OTHER");
        assert_eq!(app.upload(caller, last).await.status.as_u16(), 403);
    }
    let log = app.log(&patient).await;
    assert_eq!(
        log.iter().filter(|entry| entry["outcome"] == "REFUSED").count(),
        6,
        "all but the admin's"
    );
    nothing_left(&app).await;
}

#[tokio::test]
async fn what_browsers_send_when_no_file_was_chosen_is_no_file() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let blank = form(&patient, "OTHER")
        .text("title", "")
        .text("data", "")
        .text("occurred_at", "")
        .part("file", part(b"", "", "application/octet-stream"));
    let record = app.upload(&patient, blank).await.expect(201).json();
    assert_eq!(
        (&record["file"], &record["title"], &record["data"]),
        (&json!(null), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn a_patients_storage_is_bounded() {
    let app = TestApp::with_settings("records: {patient_quota_bytes: 100}").await;
    let (patient, doctor) = app.pair();
    let file = || part(&[b'a'; 60], "a.txt", "text/plain");
    app.upload(&patient, form(&patient, "OTHER").part("file", file()))
        .await
        .expect(201);
    let answer = app
        .upload(&patient, form(&patient, "OTHER").part("file", file()))
        .await;
    assert_eq!(answer.problem(409), "storage-quota-reached");
    app.upload(&doctor, form(&patient, "OTHER").part("file", file()))
        .await
        .expect(201);
    app.note(&patient, &patient).await;
}
