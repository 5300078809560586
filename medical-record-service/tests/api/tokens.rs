use common::auth::Role;
use common_testing::{Target, repel};

use crate::helpers::TestApp;

#[tokio::test]
async fn no_attack_on_tokens_gets_through() {
    let app = TestApp::start().await;
    let patient = app.patient().id;
    let own = format!("/records/{patient}");
    for (path, role) in [(own.as_str(), Role::Patient), ("/actuator/env", Role::Admin)] {
        let target = Target {
            name: &format!("medical-record-service {path}"),
            address: app.server.address,
            path,
        };
        repel(&target, &app.mint, &app.mint.claims(patient, role)).await;
    }
}
