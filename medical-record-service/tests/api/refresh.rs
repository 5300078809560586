//! Settings that change while the service runs.

use common_testing::{ConfigStub, eventually};
use serde_json::json;

use crate::helpers::{PDF, TestApp, Wire, form, part};

#[tokio::test]
async fn who_may_read_changes_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = TestApp::with_settings(&stub.yaml()).await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let path = format!("/records/{}/{}", patient.id, app.note(&patient, &patient).await);
    app.get(&doctor, &path).await.expect(404);
    for (rule, status) in [("any", 200), ("treating", 404)] {
        stub.change(&app.client, &admin.token, json!({"records.doctor_access": rule}))
            .await;
        app.get(&doctor, &path).await.expect(status);
    }
}

#[tokio::test]
async fn the_number_of_uploads_at_once_changes_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = TestApp::with_settings(&stub.yaml()).await;
    let (slow, other, admin) = (app.patient(), app.patient(), app.admin());
    stub.change(&app.client, &admin.token, json!({"records.max_uploads": 1}))
        .await;
    let head = "content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000";
    let mut held = Wire::open(&app, &slow, head).await;
    held.send(b"--x\r\n").await;
    let upload = async || {
        let file = part(PDF, "a.pdf", "application/pdf");
        let answer = app.upload(&other, form(&other, "OTHER").part("file", file)).await;
        answer.status.as_u16()
    };
    eventually("the only place is taken", || async {
        (upload().await == 503).then_some(())
    })
    .await;
    stub.change(&app.client, &admin.token, json!({"records.max_uploads": 2}))
        .await;
    assert_eq!(upload().await, 201);
    drop(held);
}
