use common::clients::users::{DayException, Verification};
use serde_json::Value;

use crate::helpers::{App, User, at, daily};

async fn times(app: &App, who: &User, doctor: &User, from: &str, to: &str) -> Vec<String> {
    let path = format!("/doctors/{}/slots?from={from}&to={to}", doctor.id());
    let answer = app.get(&path, who).await.expect(200).json();
    let slots = answer["slots"].as_array().unwrap();
    slots
        .iter()
        .map(|slot| format!("{} {}", text(slot, "date"), text(slot, "time")))
        .collect()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_slot_tells_wall_clock_and_instants() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    let path = format!("/doctors/{}/slots?from=2027-01-05&to=2027-01-05", doctor.id());
    let answer = app.get(&path, &patient).await.expect(200).json();
    assert_eq!(answer["time_zone"], "Europe/Berlin");
    assert_eq!(answer["slot_minutes"], 30);
    assert_eq!(
        answer["slots"][0],
        serde_json::json!({"date": "2027-01-05", "time": "09:00",
            "start_at": "2027-01-05T08:00:00Z", "end_at": "2027-01-05T08:30:00Z"})
    );
    assert_eq!(answer["slots"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn every_role_sees_them_and_strangers_do_not() {
    let app = App::start().await;
    let (doctor, colleague, patient, admin) = (app.doctor(), app.doctor(), app.patient(), app.admin());
    for who in [&doctor, &colleague, &patient, &admin] {
        assert_eq!(
            times(&app, who, &doctor, "2027-01-05", "2027-01-05").await.len(),
            6
        );
    }
    let path = format!("/doctors/{}/slots?from=2027-01-05&to=2027-01-05", doctor.id());
    app.client
        .get(&path, common_testing::As::Anyone)
        .await
        .problem(401);
}

#[tokio::test]
async fn whoever_cannot_be_visited_is_not_found() {
    let app = App::start().await;
    let patient = app.patient();
    let mut unfit = vec![app.patient().card, app.admin().card];
    for verification in [Verification::Pending, Verification::Rejected] {
        let mut card = app.doctor().card;
        card.doctor.as_mut().unwrap().verification = verification;
        unfit.push(card);
    }
    let mut suspended = app.doctor().card;
    suspended.status = "SUSPENDED".to_owned();
    unfit.push(suspended);
    let mut ids: Vec<String> = unfit.iter().map(|card| card.id.to_string()).collect();
    for card in unfit {
        app.peers.put_user(card);
    }
    ids.extend([
        common::ids::UserId::generate().to_string(),
        "1".to_owned(),
        "%00".to_owned(),
    ]);
    for id in ids {
        let answer = app
            .get(
                &format!("/doctors/{id}/slots?from=2027-01-05&to=2027-01-05"),
                &patient,
            )
            .await;
        assert_eq!(answer.problem(404), "not-found", "{id}");
    }
}

#[tokio::test]
async fn a_span_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    for query in [
        "",
        "from=2027-01-05",
        "to=2027-01-05",
        "from=2027-01-05&to=2027-01-04",
        "from=2027-01-05&to=2027-02-05",
        "from=05.01.2027&to=2027-01-06",
        "from=2027-01-05&to=2027-13-01",
        "from=2027-01-05&to=2027-01-06&page=2",
        "from=2027-01-05&from=2027-01-05&to=2027-01-06",
    ] {
        let answer = app
            .get(&format!("/doctors/{}/slots?{query}", doctor.id()), &patient)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{query}");
    }
    assert_eq!(
        times(&app, &patient, &doctor, "2027-01-05", "2027-02-04")
            .await
            .len(),
        23 * 6
    );
}

#[tokio::test]
async fn dates_at_the_ends_of_time_are_empty_and_no_fault() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    for (from, to) in [
        ("0000-01-01", "0000-01-31"),
        ("9999-12-01", "9999-12-31"),
        ("2020-01-01", "2020-01-05"),
    ] {
        assert_eq!(times(&app, &patient, &doctor, from, to).await, [""; 0], "{from}");
    }
}

#[tokio::test]
async fn the_past_and_what_is_booked_are_left_out_and_come_back_when_cancelled() {
    let app = App::start().await;
    let (doctor, patient, other) = (app.doctor(), app.patient(), app.patient());
    // 10:00 in Berlin: the slot that begins now is gone too.
    app.travel("2027-01-04T09:00:00Z");
    let visit = app
        .book(&patient, &at(&doctor, "2027-01-04", "11:00"))
        .await
        .expect(201)
        .json();
    assert_eq!(
        times(&app, &other, &doctor, "2027-01-04", "2027-01-04").await,
        ["2027-01-04 10:30", "2027-01-04 11:30"]
    );
    app.put(
        "cancel",
        &doctor,
        &serde_json::json!({"appointment_id": visit["id"]}),
    )
    .await
    .expect(200);
    assert_eq!(
        times(&app, &other, &doctor, "2027-01-04", "2027-01-04")
            .await
            .len(),
        3
    );
}

#[tokio::test]
async fn a_visit_hides_every_slot_that_it_meets_after_the_doctor_changed_their_hours() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor_with(daily("UTC", 60, "09:00", "12:00")), app.patient());
    app.book(&patient, &at(&doctor, "2027-01-05", "10:00"))
        .await
        .expect(201);
    let mut card = doctor.card.clone();
    card.doctor.as_mut().unwrap().availability = daily("UTC", 45, "09:00", "12:00");
    app.peers.put_user(card);
    assert_eq!(
        times(&app, &patient, &doctor, "2027-01-05", "2027-01-05").await,
        ["2027-01-05 09:00", "2027-01-05 11:15"]
    );
}

#[tokio::test]
async fn nights_of_the_change_offer_only_times_that_can_be_booked() {
    let app = App::start().await;
    let patient = app.patient();
    for (zone, night, hours) in [
        ("Europe/Berlin", "2027-03-28", 5),
        ("Europe/Berlin", "2027-10-31", 6),
        ("America/New_York", "2027-03-14", 5),
        ("America/New_York", "2027-11-07", 6),
    ] {
        let doctor = app.doctor_with(daily(zone, 60, "00:00", "06:00"));
        let offered = times(&app, &patient, &doctor, night, night).await;
        assert_eq!(offered.len(), hours, "{zone} {night} {offered:?}");
        for time in offered.iter().map(|slot| &slot[11..]) {
            let booked = app
                .book(&patient, &at(&doctor, night, time))
                .await
                .expect(201)
                .json();
            assert_eq!(
                (booked["date"].as_str(), booked["time"].as_str()),
                (Some(night), Some(time))
            );
            let id = booked["id"].clone();
            app.put("cancel", &patient, &serde_json::json!({"appointment_id": id}))
                .await
                .expect(200);
        }
    }
}

#[tokio::test]
async fn exceptions_and_windows_over_midnight_count() {
    let app = App::start().await;
    let patient = app.patient();
    let mut hours = daily("Europe/Berlin", 60, "22:00", "01:00");
    let on = |date: &str, times: Option<(&str, &str)>| DayException {
        date: date.to_owned(),
        available: times.is_some(),
        start: times.map(|(start, _)| start.to_owned()),
        end: times.map(|(_, end)| end.to_owned()),
    };
    hours.exceptions = vec![on("2027-01-06", None), on("2027-01-07", Some(("08:00", "09:00")))];
    let doctor = app.doctor_with(hours);
    assert_eq!(
        times(&app, &patient, &doctor, "2027-01-05", "2027-01-08").await,
        [
            "2027-01-05 00:00",
            "2027-01-05 22:00",
            "2027-01-05 23:00",
            "2027-01-07 08:00",
            "2027-01-08 22:00",
            "2027-01-08 23:00",
        ]
    );
}
