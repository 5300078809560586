//! What somebody changed in the database never reaches a reader.

use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use reqwest::Method;

use crate::helpers::{Person, TestApp, form, id_of, part};

async fn stored(app: &TestApp, patient: &Person, size: usize) -> String {
    let form = form(patient, "OTHER").part("file", part(&vec![b'a'; size], "a.txt", "text/plain"));
    format!(
        "/records/{}/{}/file",
        patient.id,
        id_of(&app.upload(patient, form).await.expect(201))
    )
}

/// Change the bytes of block `n`.
async fn corrupt(app: &TestApp, n: i32, change: impl FnOnce(&mut Vec<u8>)) {
    let chunks = app.db.collection::<Document>("fs.chunks");
    let chunk = chunks.find_one(doc! { "n": n }).await.unwrap().unwrap();
    let mut bytes = chunk.get_binary_generic("data").unwrap().clone();
    change(&mut bytes);
    let data = Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    };
    chunks
        .update_one(doc! { "n": n }, doc! { "$set": { "data": data } })
        .await
        .unwrap();
}

/// Everything that arrives before the connection is cut; whether the answer came to its end.
async fn read_what_comes(app: &TestApp, who: &Person, path: &str) -> (u16, Vec<u8>, bool) {
    let mut response = app
        .client
        .request(Method::GET, path, &who.token)
        .send()
        .await
        .unwrap();
    let (status, mut bytes) = (response.status().as_u16(), Vec::new());
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return (status, bytes, true),
            Err(_) => return (status, bytes, false),
        }
    }
}

#[tokio::test]
async fn a_changed_byte_is_an_error_and_never_an_answer() {
    for (at, how) in [(0, "first byte"), (500, "in the middle"), (1_015, "in the tag")] {
        let app = TestApp::start().await;
        let patient = app.patient();
        let path = stored(&app, &patient, 1_000).await;
        corrupt(&app, 0, |bytes| bytes[at] ^= 1).await;
        let answer = app.get(&patient, &path).await;
        assert_eq!(answer.problem(500), "integrity-failure", "{how}");
        let part = app.get_with(&patient, &path, &[("range", "bytes=900-901")]).await;
        assert_eq!(part.problem(500), "integrity-failure", "{how}, by range");
    }
}

#[tokio::test]
async fn blocks_cannot_be_cut_emptied_swapped_or_taken_away() {
    let two_blocks = 300_000;
    for how in 0..5 {
        let app = TestApp::start().await;
        let patient = app.patient();
        let path = stored(&app, &patient, two_blocks).await;
        let chunks = app.db.collection::<Document>("fs.chunks");
        match how {
            0 => corrupt(&app, 1, |bytes| bytes.truncate(20)).await,
            1 => corrupt(&app, 0, Vec::clear).await,
            2 => drop(chunks.delete_one(doc! { "n": 1 }).await.unwrap()),
            3 => {
                chunks
                    .update_one(doc! { "n": 0 }, doc! { "$set": { "n": 7 } })
                    .await
                    .unwrap();
                chunks
                    .update_one(doc! { "n": 1 }, doc! { "$set": { "n": 0 } })
                    .await
                    .unwrap();
                chunks
                    .update_one(doc! { "n": 7 }, doc! { "$set": { "n": 1 } })
                    .await
                    .unwrap();
            }
            _ => drop(chunks.delete_many(doc! {}).await.unwrap()),
        }
        assert_eq!(
            app.get(&patient, &path).await.problem(500),
            "integrity-failure",
            "case {how}"
        );
    }
}

#[tokio::test]
async fn a_late_damage_cuts_the_connection_before_the_damaged_block() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let size = 2_000_000;
    let path = stored(&app, &patient, size).await;
    corrupt(&app, 6, |bytes| bytes[9] ^= 0x80).await;
    let (status, bytes, complete) = read_what_comes(&app, &patient, &path).await;
    assert_eq!(status, 200);
    assert!(!complete, "the client must notice");
    assert!(bytes.len() <= 6 * (255 * 1024 - 16));
    assert!(bytes.iter().all(|byte| *byte == b'a'), "all that came is right");
    // Undamaged parts stay readable.
    app.get_with(&patient, &path, &[("range", "bytes=0-99")])
        .await
        .expect(206);
}

#[tokio::test]
async fn files_cannot_be_exchanged_between_records() {
    let app = TestApp::start().await;
    let (victim, other) = (app.patient(), app.patient());
    let path = stored(&app, &victim, 1_000).await;
    stored(&app, &other, 2_000).await;
    // Somebody with the database's password points the victim's record at the other file.
    let records = app.db.collection::<Document>("records");
    let size = |bytes: i64| doc! { "versions.file_bytes": bytes };
    let foreign = records.find_one(size(2_000)).await.unwrap().unwrap();
    let version = foreign.get_array("versions").unwrap()[0].as_document().unwrap();
    let file = version.get("file_id").unwrap();
    records
        .update_one(size(1_000), doc! { "$set": { "versions.0.file_id": file } })
        .await
        .unwrap();
    assert_eq!(app.get(&victim, &path).await.problem(500), "integrity-failure");
}

#[tokio::test]
async fn nothing_in_a_record_can_be_changed_unnoticed() {
    let sealed = Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![7; 60],
    };
    let date = mongodb::bson::DateTime::from_millis(0);
    let changes = [
        doc! { "versions.0.sealed": sealed },
        doc! { "versions.0.key.sealed": "AAAA" },
        doc! { "versions.0.key.key_id": "another" },
        doc! { "versions.0.record_type": "IMAGING" },
        doc! { "versions.0.version": 2 },
        doc! { "versions.0.occurred_at": date },
        doc! { "versions.0.created_at": date },
        doc! { "versions.0.doctor_id": mongodb::bson::Uuid::new() },
        doc! { "versions.0.appointment_id": mongodb::bson::Uuid::new() },
        doc! { "author_id": mongodb::bson::Uuid::new() },
    ];
    for change in changes {
        let app = TestApp::start().await;
        let patient = app.patient();
        let id = app.note(&patient, &patient).await;
        let records = app.db.collection::<Document>("records");
        records
            .update_one(doc! {}, doc! { "$set": &change })
            .await
            .unwrap();
        for path in [String::new(), format!("/{id}"), format!("/{id}/versions")] {
            let answer = app.get(&patient, &format!("/records/{}{path}", patient.id)).await;
            assert_eq!(answer.problem(500), "integrity-failure", "{change} {path}");
        }
    }
}

#[tokio::test]
async fn a_record_cannot_be_moved_to_another_patient() {
    let app = TestApp::start().await;
    let (victim, other) = (app.patient(), app.patient());
    let id = app.note(&victim, &victim).await;
    let records = app.db.collection::<Document>("records");
    let moved = doc! { "patient_id": mongodb::bson::Uuid::from_bytes(other.id.uuid().into_bytes()) };
    records.update_one(doc! {}, doc! { "$set": moved }).await.unwrap();
    assert_eq!(
        app.get(&other, &format!("/records/{}/{id}", other.id))
            .await
            .problem(500),
        "integrity-failure"
    );
}

#[tokio::test]
async fn records_stay_readable_after_the_key_was_changed() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let old = app.document(&patient, &patient).await;
    let settings = format!(
        "records: {{key: \"IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=\", old_keys: [\"{}\"]}}",
        crate::helpers::KEY
    );
    let setup = crate::helpers::Setup {
        settings,
        ..crate::helpers::Setup::default()
    };
    let rotated = TestApp::on(app.db.clone(), app.peers.clone(), setup).await;
    let patient = rotated.again(&patient, common::auth::Role::Patient);
    let new = rotated.document(&patient, &patient).await;
    for id in [&old, &new] {
        rotated
            .get(&patient, &format!("/records/{}/{id}/file", patient.id))
            .await
            .expect(200);
    }
    assert!(
        rotated
            .log(&patient)
            .await
            .iter()
            .all(|entry| entry["intact"] == true)
    );
    // The old key alone does not open what the new one wrapped.
    let patient = app.again(&patient, common::auth::Role::Patient);
    assert_eq!(
        app.get(&patient, &format!("/records/{}/{new}", patient.id))
            .await
            .problem(500),
        "integrity-failure"
    );
}
