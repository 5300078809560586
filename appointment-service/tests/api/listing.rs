use common_testing::eventually;
use serde_json::Value;

use crate::helpers::{App, TUESDAY, User, at};

async fn ids(app: &App, who: &User, query: &str) -> Vec<String> {
    let answer = app
        .get(&format!("/appointments?{query}"), who)
        .await
        .expect(200)
        .json();
    answer["items"].as_array().unwrap().iter().map(id).collect()
}

fn id(visit: &Value) -> String {
    visit["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everybody_sees_their_own_and_the_admin_all_and_no_filter_widens_that() {
    let app = App::start().await;
    let (anna, ben, first, second, admin) = (
        app.patient(),
        app.patient(),
        app.doctor(),
        app.doctor(),
        app.admin(),
    );
    let a1 = id(&app.booked(&anna, &first, "09:00").await);
    let a2 = id(&app.booked(&anna, &second, "10:00").await);
    let b1 = id(&app.booked(&ben, &first, "11:00").await);
    let of = |user: &User| user.id().to_string();
    for (who, query, expected) in [
        (&anna, String::new(), vec![&a1, &a2]),
        (&ben, String::new(), vec![&b1]),
        (&first, String::new(), vec![&a1, &b1]),
        (&second, String::new(), vec![&a2]),
        (&admin, String::new(), vec![&a1, &a2, &b1]),
        (&admin, format!("patient_id={}", of(&anna)), vec![&a1, &a2]),
        (
            &admin,
            format!("patient_id={}&doctor_id={}", of(&anna), of(&first)),
            vec![&a1],
        ),
        (&anna, format!("doctor_id={}", of(&second)), vec![&a2]),
        (&first, format!("patient_id={}", of(&ben)), vec![&b1]),
        (&anna, format!("patient_id={}", of(&ben)), vec![]),
        (&first, format!("doctor_id={}", of(&second)), vec![]),
        (&first, format!("patient_id={}", of(&first)), vec![]),
    ] {
        assert_eq!(
            ids(&app, who, &query).await.iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
    }
    let stranger = app.patient();
    assert_eq!(ids(&app, &stranger, "").await, [""; 0]);
}

#[tokio::test]
async fn filters_by_time_and_status() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let mut booked = Vec::new();
    for (date, time) in [
        (TUESDAY, "09:00"),
        (TUESDAY, "11:30"),
        ("2027-01-06", "09:00"),
        ("2027-01-07", "09:00"),
    ] {
        booked.push(id(&app
            .book(&patient, &at(&doctor, date, time))
            .await
            .expect(201)
            .json()));
    }
    let cancel = serde_json::json!({"appointment_id": booked[3]});
    app.put("cancel", &patient, &cancel).await.expect(200);
    for (query, expected) in [
        ("from=2027-01-06", &booked[2..]),
        ("to=2027-01-05", &booked[..2]),
        ("from=2027-01-05&to=2027-01-05", &booked[..2]),
        ("from=2027-01-05T10:30:00Z", &booked[1..]),
        (
            "from=2027-01-05T11:30:00%2B01:00&to=2027-01-06T09:00:00%2B01:00",
            &booked[1..2],
        ),
        ("from=2027-01-05T11:30:00+01:00&to=2027-01-06", &booked[1..3]),
        ("from=1000-01-01T00:00:00Z&to=9999-12-31T00:00:00Z", &booked[..]),
        ("from=1000-01-01&to=9999-12-31", &booked[..]),
        ("status=CANCELLED", &booked[3..]),
        ("status=BOOKED,CANCELLED", &booked[..]),
        ("status=BOOKED&from=2027-01-06", &booked[2..3]),
        ("status=COMPLETED", &[]),
    ] {
        assert_eq!(ids(&app, &patient, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let patient = app.patient();
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1e9",
        "limit=",
        "limit=999999999999",
        "sort=password",
        "status=booked",
        "status=",
        "status=BOOKED,",
        "from=soon",
        "to=2027-02-30",
        "from=2027-01-05T10:30:00",
        "patient_id=1",
        "doctor_id=%27",
        "from=2027-01-01&from=2027-01-02",
        "patient_id[$ne]=1",
    ] {
        assert_eq!(
            app.get(&format!("/appointments?{query}"), &patient)
                .await
                .problem(422),
            "invalid-request",
            "{query}"
        );
    }
    for cursor in ["x", "", "AAAA", "..%2f", "%00", &"A".repeat(4000)] {
        let answer = app.get(&format!("/appointments?cursor={cursor}"), &patient).await;
        assert_eq!(answer.problem(400), "unknown-cursor", "{cursor}");
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_visits_come_and_go() {
    let app = App::start().await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    let mut expected = Vec::new();
    for time in ["09:00", "09:30", "10:30", "11:00", "11:30"] {
        expected.push(id(&app.booked(&patient, &doctor, time).await));
    }
    let page = app
        .get("/appointments?limit=2", &patient)
        .await
        .expect(200)
        .json();
    let mut seen: Vec<String> = page["items"].as_array().unwrap().iter().map(id).collect();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    // One before the page's end, one after it; and the cursor is nobody else's.
    app.put(
        "cancel",
        &patient,
        &serde_json::json!({"appointment_id": expected[0]}),
    )
    .await
    .expect(200);
    expected.insert(2, id(&app.booked(&patient, &doctor, "10:00").await));
    for thief in [&other, &doctor, &app.admin()] {
        assert_eq!(
            app.get(&format!("/appointments?cursor={cursor}"), thief)
                .await
                .problem(400),
            "unknown-cursor"
        );
    }
    let mut cursor = Some(cursor);
    while let Some(next) = cursor {
        let page = app
            .get(&format!("/appointments?limit=2&cursor={next}"), &patient)
            .await
            .expect(200)
            .json();
        seen.extend(page["items"].as_array().unwrap().iter().map(id));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_new_name_is_shown_once_the_old_one_is_stale() {
    let app = App::with("names: {fresh_s: 60}").await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.booked(&patient, &doctor, "09:00").await;
    let mut renamed = patient.card.clone();
    renamed.name = "Now Married".to_owned();
    app.peers.put_user(renamed);
    let name = async || app.get("/appointments", &doctor).await.json()["items"][0]["patient_name"].clone();
    assert_eq!(name().await, "Test PATIENT");
    app.clock.advance(chrono::TimeDelta::seconds(61));
    eventually("the new name is shown", async || {
        (name().await == "Now Married").then_some(())
    })
    .await;
}
