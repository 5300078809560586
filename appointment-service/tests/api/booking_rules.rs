use common::clients::users::Verification;
use common::ids::UserId;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, at, changed, daily};

#[tokio::test]
async fn what_the_rules_forbid_is_422_and_books_nothing() {
    let app = App::start().await;
    let (doctor, patient) = (
        app.doctor_with(daily("Europe/Berlin", 30, "00:00", "06:00")),
        app.patient(),
    );
    let good = at(&doctor, "2027-03-28", "01:00");
    for (member, bad, pointer) in [
        ("date", json!("2027-01-03"), "/date"),
        ("date", json!("2029-01-03"), "/date"),
        ("date", json!("28.03.2027"), "/date"),
        ("date", json!(20_270_328), "/date"),
        ("date", Value::Null, "/date"),
        ("time", json!("02:30"), "/time"),
        ("time", json!("06:00"), "/time"),
        ("time", json!("01:10"), "/time"),
        ("time", json!("1:00"), "/time"),
        ("time", json!("01:00:00"), "/time"),
        ("doctor_id", json!("1"), "/doctor_id"),
        ("doctor_id", Value::Null, "/doctor_id"),
        ("reason", json!("x".repeat(1001)), "/reason"),
        ("reason", json!("bell\u{7}"), "/reason"),
        ("reason", json!(7), "/reason"),
        ("status", json!("CONFIRMED"), "/status"),
        ("version", json!(9), "/version"),
        ("made_by", json!(patient.id()), "/made_by"),
        ("doctor_notes", json!("x"), "/doctor_notes"),
    ] {
        let answer = app.book(&patient, &changed(&good, member, bad)).await;
        assert_eq!(answer.problem(422), "invalid-request", "{member}");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{member} {}",
            answer.text()
        );
    }
    assert!(app.events().await.is_empty());
    app.book(&patient, &good).await.expect(201);
}

#[tokio::test]
async fn a_slot_that_begins_this_very_moment_is_past() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    app.travel("2027-01-05T08:00:00Z");
    app.book(&patient, &at(&doctor, TUESDAY, "09:00"))
        .await
        .problem(422);
    app.book(&patient, &at(&doctor, TUESDAY, "09:30"))
        .await
        .expect(201);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_as_what_they_are() {
    let app = App::start().await;
    let patient = app.patient();
    let send = |kind: &'static str, body: Vec<u8>| {
        let request = app
            .client
            .request(http::Method::POST, "/appointments", &patient.token());
        common_testing::Client::send(request.header("content-type", kind).body(body))
    };
    assert_eq!(
        send("application/json", b"{".to_vec()).await.problem(400),
        "malformed-request"
    );
    assert_eq!(
        send("text/plain", b"{}".to_vec()).await.problem(415),
        "unsupported-media-type"
    );
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(300_000));
    assert_eq!(
        send("application/json", large.into_bytes()).await.problem(413),
        "too-large"
    );
}

#[tokio::test]
async fn nobody_books_at_whom_they_cannot_find() {
    let app = App::start().await;
    let (patient, other) = (app.patient(), app.patient());
    let mut pending = app.doctor();
    pending.card.doctor.as_mut().unwrap().verification = Verification::Pending;
    app.peers.put_user(pending.card.clone());
    let stranger = json!({"doctor_id": UserId::generate(), "date": TUESDAY, "time": "09:00"});
    for body in [
        stranger,
        at(&other, TUESDAY, "09:00"),
        at(&pending, TUESDAY, "09:00"),
    ] {
        assert_eq!(app.book(&patient, &body).await.problem(404), "not-found");
    }
    // A pending doctor cannot fill their own calendar either.
    let own = changed(&at(&pending, TUESDAY, "09:00"), "patient_id", json!(patient.id()));
    assert_eq!(app.book(&pending, &own).await.problem(404), "not-found");
}

#[tokio::test]
async fn who_may_book_for_whom() {
    let app = App::start().await;
    let (doctor, colleague, patient, other, admin) = (
        app.doctor(),
        app.doctor(),
        app.patient(),
        app.patient(),
        app.admin(),
    );
    let alone = at(&doctor, TUESDAY, "09:00");
    let for_patient = changed(&alone, "patient_id", json!(patient.id()));
    app.client
        .post("/appointments", common_testing::As::Anyone, &alone)
        .await
        .problem(401);
    assert_eq!(
        app.book(&other, &for_patient).await.problem(403),
        "role-not-allowed"
    );
    assert_eq!(
        app.book(&colleague, &for_patient).await.problem(403),
        "role-not-allowed"
    );
    for staff in [&doctor, &admin] {
        assert_eq!(
            app.book(staff, &alone).await.json()["errors"][0]["pointer"],
            "/patient_id"
        );
    }

    let by_doctor = app.book(&doctor, &for_patient).await.expect(201).json();
    assert_eq!(by_doctor["awaits_patient"], true);
    let by_admin = app
        .book(&admin, &changed(&for_patient, "time", json!("09:30")))
        .await
        .expect(201)
        .json();
    assert_eq!(by_admin["awaits_patient"], false);
    for visit in [by_doctor, by_admin] {
        assert_eq!(visit["patient_id"], json!(patient.id()));
    }
    // Saying who one is does no harm.
    app.book(&patient, &changed(&for_patient, "time", json!("10:00")))
        .await
        .expect(201);
}

#[tokio::test]
async fn staff_book_only_for_active_patients() {
    let app = App::start().await;
    let (doctor, admin) = (app.doctor(), app.admin());
    let mut suspended = app.patient().card;
    suspended.status = "SUSPENDED".to_owned();
    app.peers.put_user(suspended.clone());
    for unfit in [
        UserId::generate(),
        suspended.id,
        admin.id(),
        app.doctor().id(),
        doctor.id(),
    ] {
        let body = changed(&at(&doctor, TUESDAY, "09:00"), "patient_id", json!(unfit));
        for staff in [&doctor, &admin] {
            assert_eq!(app.book(staff, &body).await.problem(404), "not-found");
        }
    }
}

#[tokio::test]
async fn a_patient_cannot_hoard_visits_nor_book_and_cancel_all_day() {
    let app = App::with("booking: {open_per_patient: 2, made_per_day: 3}").await;
    let (doctor, patient) = (app.doctor(), app.patient());
    app.booked(&patient, &doctor, "09:00").await;
    let second = app.booked(&patient, &doctor, "09:30").await;
    let third = at(&doctor, TUESDAY, "10:00");
    assert_eq!(
        app.book(&patient, &third).await.problem(409),
        "too-many-open-bookings"
    );
    // Others are not concerned, and staff decide for themselves.
    app.booked(&app.patient(), &doctor, "11:00").await;
    app.book(
        &doctor,
        &changed(&at(&doctor, TUESDAY, "11:30"), "patient_id", json!(patient.id())),
    )
    .await
    .expect(201);

    let staff_made = app.get("/appointments?status=BOOKED", &patient).await.json()["items"][2]["id"].clone();
    for id in [staff_made, second["id"].clone()] {
        app.put("cancel", &patient, &json!({"appointment_id": id}))
            .await
            .expect(200);
    }
    let visit = app.book(&patient, &third).await.expect(201).json();
    app.put("cancel", &patient, &json!({"appointment_id": visit["id"]}))
        .await
        .expect(200);
    let answer = app.book(&patient, &third).await;
    assert_eq!(answer.problem(429), "too-many-bookings");
    assert_eq!(answer.header("retry-after"), "3600");
}
