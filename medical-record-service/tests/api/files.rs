//! Downloads: whole and in part, with headers that keep a browser from doing anything but saving.

use common_testing::{Answer, Client};
use futures_util::AsyncReadExt;
use mongodb::bson::doc;
use reqwest::Method;

use crate::helpers::{PDF, Person, TestApp, form, id_of, part};

/// Long enough for several stored blocks, different at every place.
fn long_text() -> Vec<u8> {
    (0..120_000_u32)
        .flat_map(|line| format!("{line:08}\n").into_bytes())
        .collect()
}

async fn stored(app: &TestApp, patient: &Person, bytes: &[u8], name: &str, kind: &str) -> String {
    let form = form(patient, "OTHER").part("file", part(bytes, name, kind));
    format!(
        "/records/{}/{}/file",
        patient.id,
        id_of(&app.upload(patient, form).await.expect(201))
    )
}

async fn range(app: &TestApp, who: &Person, path: &str, range: &str) -> Answer {
    app.get_with(who, path, &[("range", range)]).await
}

#[tokio::test]
async fn the_headers_make_a_browser_save_and_nothing_else() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let path = stored(&app, &patient, PDF, "Befund \"Müller\".pdf", "application/pdf").await;
    let answer = app.get(&patient, &path).await.expect(200);
    let sha256 = app.get(&patient, path.trim_end_matches("/file")).await.json()["file"]["sha256"].clone();
    for (name, value) in [
        ("content-type", "application/pdf".to_owned()),
        ("content-length", PDF.len().to_string()),
        ("etag", format!("\"{}\"", sha256.as_str().unwrap())),
        ("accept-ranges", "bytes".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        (
            "content-security-policy",
            "sandbox; default-src 'none'".to_owned(),
        ),
        (
            "content-disposition",
            "attachment; filename=\"Befund _M_ller_.pdf\"; filename*=UTF-8''Befund%20_M%C3%BCller_.pdf"
                .to_owned(),
        ),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("repr-digest").starts_with("sha-256=:"));
}

#[tokio::test]
async fn a_file_of_many_blocks_comes_back_whole_and_in_any_part() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let bytes = long_text();
    let path = stored(&app, &patient, &bytes, "long.txt", "text/plain").await;
    assert!(app.count("fs.chunks").await > 4);
    assert_eq!(app.get(&patient, &path).await.expect(200).body, bytes);

    let size = bytes.len();
    let block = 255 * 1024 - 16;
    for (first, last) in [
        (0, 0),
        (0, size - 1),
        (5, 9),
        (block - 1, block),
        (block, block),
        (block - 3, 2 * block + 3),
        (size - 1, size - 1),
    ] {
        let answer = range(&app, &patient, &path, &format!("bytes={first}-{last}"))
            .await
            .expect(206);
        assert_eq!(answer.body, &bytes[first..=last], "{first}-{last}");
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {first}-{last}/{size}")
        );
        assert_eq!(answer.header("content-length"), (last - first + 1).to_string());
    }
    assert_eq!(
        range(&app, &patient, &path, "bytes=-10").await.expect(206).body,
        &bytes[size - 10..]
    );
    assert_eq!(
        range(&app, &patient, &path, &format!("bytes={}-", size - 7))
            .await
            .expect(206)
            .body,
        &bytes[size - 7..]
    );
}

#[tokio::test]
async fn ranges_that_lie_outside_or_make_no_sense() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let path = stored(&app, &patient, PDF, "a.pdf", "application/pdf").await;
    let outside = range(&app, &patient, &path, &format!("bytes={}-", PDF.len())).await;
    assert_eq!(outside.problem(416), "range-not-satisfiable");
    assert_eq!(outside.header("content-range"), format!("bytes */{}", PDF.len()));
    let many = format!("bytes={}", vec!["0-1"; 1000].join(","));
    for odd in ["bytes=5-2", "lines=1-2", "bytes=0-1,3-4", "bytes=x", &many] {
        assert_eq!(
            range(&app, &patient, &path, odd).await.expect(200).body,
            PDF,
            "{odd}"
        );
    }
}

#[tokio::test]
async fn a_range_goes_on_only_in_the_same_file() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let path = stored(&app, &patient, PDF, "a.pdf", "application/pdf").await;
    let etag = app.get(&patient, &path).await.header("etag").to_owned();
    let ask = async |tag: String| {
        app.get_with(&patient, &path, &[("range", "bytes=0-3"), ("if-range", &tag)])
            .await
    };
    ask(etag.clone()).await.expect(206);
    ask("\"another\"".to_owned()).await.expect(200);
    ask(format!("W/{etag}")).await.expect(200);
    let unchanged = app
        .get_with(&patient, &path, &[("if-none-match", &etag)])
        .await
        .expect(304);
    assert!(unchanged.body.is_empty());
}

#[tokio::test]
async fn neither_a_range_nor_a_condition_goes_around_the_rules() {
    let app = TestApp::start().await;
    let (patient, stranger) = (app.patient(), app.doctor());
    let path = stored(&app, &patient, PDF, "a.pdf", "application/pdf").await;
    let etag = app.get(&patient, &path).await.header("etag").to_owned();
    for headers in [
        ("range", "bytes=0-"),
        ("range", "bytes=999-"),
        ("if-none-match", etag.as_str()),
        ("if-range", etag.as_str()),
    ] {
        assert_eq!(
            app.get_with(&stranger, &path, &[headers]).await.problem(404),
            "not-found"
        );
    }
    assert_eq!(
        app.log(&patient)
            .await
            .iter()
            .filter(|entry| entry["outcome"] == "REFUSED")
            .count(),
        4
    );
}

#[tokio::test]
async fn head_says_what_get_would() {
    let app = TestApp::start().await;
    let (patient, stranger) = (app.patient(), app.doctor());
    let path = stored(&app, &patient, PDF, "a.pdf", "application/pdf").await;
    let head = Client::send(app.client.request(Method::HEAD, &path, &patient.token))
        .await
        .expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), PDF.len().to_string());
    let foreign = Client::send(app.client.request(Method::HEAD, &path, &stranger.token))
        .await
        .expect(404);
    assert!(!foreign.headers.contains_key("etag"));
}

#[tokio::test]
async fn a_record_without_a_file_has_none_to_send() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.note(&patient, &patient).await;
    assert_eq!(
        app.get(&patient, &format!("/records/{}/{id}/file", patient.id))
            .await
            .problem(404),
        "not-found"
    );
}

#[tokio::test]
async fn the_store_is_a_gridfs_bucket_that_holds_nothing_readable() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let canary = "CNRY-4711";
    let form = form(&patient, "HISTORY")
        .text("title", format!("{canary}-title"))
        .text("notes", format!("{canary}-notes"))
        .text("data", format!("{{\"{canary}\":\"{canary}\"}}"))
        .part(
            "file",
            part(
                format!("{canary}-bytes").repeat(100_000).as_bytes(),
                "CNRY-4711.txt",
                "text/plain",
            ),
        );
    app.upload(&doctor, form).await.expect(201);
    for collection in app.db.list_collection_names().await.unwrap() {
        assert!(
            !app.everything(&collection).await.contains(canary),
            "{collection} holds clinical text in the clear"
        );
    }
    // Any GridFS tool can copy it, and gets as many bytes as the entry says.
    let bucket = app.db.gridfs_bucket(None);
    let entry = bucket.find_one(doc! {}).await.unwrap().unwrap();
    let mut copy = Vec::new();
    bucket
        .open_download_stream(entry.id)
        .await
        .unwrap()
        .read_to_end(&mut copy)
        .await
        .unwrap();
    assert_eq!(copy.len() as u64, entry.length);
}

#[tokio::test]
async fn many_readers_at_once_get_the_same_bytes() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let bytes = long_text();
    let path = stored(&app, &patient, &bytes, "long.txt", "text/plain").await;
    let readers = (0..8).map(|turn| app.get(if turn % 2 == 0 { &patient } else { &doctor }, &path));
    for answer in futures_util::future::join_all(readers).await {
        assert!(answer.expect(200).body == bytes);
    }
}
