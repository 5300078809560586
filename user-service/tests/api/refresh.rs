//! Settings that change while the service runs.

use common::clock::Clock;
use common_testing::ConfigStub;
use serde_json::json;

use crate::helpers::{ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, TestApp, patient_form};

#[tokio::test]
async fn the_throttle_changes_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = TestApp::start_with(&stub.yaml(), Clock::fixed(Clock::System.now())).await;
    let admin = app.admin().await;
    for (name, failures) in [("ann", 2), ("bob", 3)] {
        stub.change(
            &app.client,
            &admin.access,
            json!({"throttle.account_failures": failures}),
        )
        .await;
        let email = format!("{name}@x.example");
        app.post("/register", &patient_form(&email)).await.expect(201);
        for _ in 0..failures {
            app.login_as(&email, "wrong-horse-battery-11").await.expect(401);
        }
        let paused = app.login_as(&email, PASSWORD).await;
        assert_eq!(paused.problem(429), "login-throttled", "{failures}");
    }
}

#[tokio::test]
async fn a_second_factor_can_be_required_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = TestApp::start_with(&stub.yaml(), Clock::fixed(Clock::System.now())).await;
    let admin = app.admin().await;
    let required = json!({"second_factor.required_for_admin": true});
    stub.change(&app.client, &admin.access, required).await;
    let refused = app.login_as(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert_eq!(refused.problem(403), "second-factor-enrolment-required");
}
