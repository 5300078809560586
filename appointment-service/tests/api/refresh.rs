//! Settings that change while the service runs.

use common_testing::ConfigStub;
use serde_json::json;

use crate::helpers::{App, TUESDAY, at};

#[tokio::test]
async fn the_notice_and_the_number_of_alternatives_change_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = App::with(&stub.yaml()).await;
    let (patient, other, doctor, admin) = (app.patient(), app.patient(), app.doctor(), app.admin());
    let before = app.booked(&patient, &doctor, "11:00").await;
    let settings = json!({"booking.cancel_notice_min": 60, "booking.next_free": 2});
    stub.change(&app.client, &admin.token(), settings).await;
    let after = app.booked(&patient, &doctor, "10:30").await;
    // Each visit keeps the rule under which it was booked: two hours before eleven, one hour before half past ten.
    assert_eq!(before["cancellable_until"], "2027-01-05T08:00:00Z");
    assert_eq!(after["cancellable_until"], "2027-01-05T08:30:00Z");
    let taken = app.book(&other, &at(&doctor, TUESDAY, "11:00")).await;
    assert_eq!(taken.problem(409), "slot-taken");
    assert_eq!(taken.json()["next_free"].as_array().unwrap().len(), 2);
}
