//! The directory, verification and hours.

use common_testing::As;
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, TestApp, doctor_form, text, with};

fn hours() -> Value {
    json!({
        "time_zone": "Europe/Berlin", "slot_minutes": 30,
        "weekly": [{"day": "MONDAY", "start": "09:00", "end": "12:00"}],
        "exceptions": [{"date": "2030-12-24", "available": false}]
    })
}

#[tokio::test]
async fn a_doctor_is_found_only_while_verified_and_active() {
    let app = TestApp::start().await;
    let ada = app.doctor("ada").await;
    let ann = app.patient("ann").await;
    let admin = app.admin().await;
    let path = format!("/doctors/{}", ada.id);
    let listed = || async {
        let list = app.client.get("/doctors", &ann.access).await.expect(200).json();
        let shown = app.client.get(&path, &ann.access).await.status.as_u16();
        (list["items"].as_array().unwrap().len(), shown)
    };
    let (client, access) = (&app.client, &admin.access);
    let verification = &format!("/doctors/{}/verification", ada.id);
    let verify = |status: &'static str| async move {
        client
            .put(verification, access, &json!({"status": status, "note": "seen"}))
            .await
    };
    assert_eq!(listed().await, (0, 404), "pending");
    app.client.get(&path, &ada.access).await.expect(200);
    app.client.get(&path, &admin.access).await.expect(200);
    assert_eq!(
        verify("VERIFIED").await.expect(200).json()["verification"],
        "VERIFIED"
    );
    assert_eq!(listed().await, (1, 200), "verified");
    verify("VERIFIED").await.expect(200);
    assert_eq!(app.events("user.verified").await.len(), 1, "told once");
    verify("REJECTED").await.expect(200);
    assert_eq!(listed().await, (0, 404), "rejected");
    verify("VERIFIED").await.expect(200);
    let account = &format!("/users/{}", ada.id);
    let standing = |body: Value| async move { client.patch(account, access, &body).await };
    standing(json!({"status": "SUSPENDED"})).await.expect(200);
    assert_eq!(listed().await, (0, 404), "suspended");
    standing(json!({"status": "ACTIVE"})).await.expect(200);
    assert_eq!(listed().await, (1, 200), "reinstated");
    standing(json!({"role": "PATIENT"})).await.expect(200);
    assert_eq!(listed().await, (0, 404), "no doctor any more");
}

#[tokio::test]
async fn only_an_administrator_verifies_and_only_doctors() {
    let app = TestApp::start().await;
    let ada = app.doctor("ada").await;
    let ann = app.patient("ann").await;
    let admin = app.admin().await;
    let path = format!("/doctors/{}/verification", ada.id);
    let body = json!({"status": "VERIFIED"});
    app.client.put(&path, &ada.access, &body).await.expect(403);
    app.client.put(&path, &ann.access, &body).await.expect(403);
    app.client.put(&path, As::Anyone, &body).await.expect(401);
    app.client
        .put(&format!("/doctors/{}/verification", ann.id), &admin.access, &body)
        .await
        .expect(404);
    app.client
        .put(
            "/doctors/01890a5d-ac96-774b-bcce-b302099a8057/verification",
            &admin.access,
            &body,
        )
        .await
        .expect(404);
    for bad in [
        json!({"status": "PENDING"}),
        json!({}),
        json!({"status": "VERIFIED", "note": "a\u{0}b"}),
        json!({"status": "VERIFIED", "by": "me"}),
    ] {
        app.client.put(&path, &admin.access, &bad).await.expect(422);
    }
    let shown = app
        .client
        .get(&format!("/doctors/{}", ada.id), &ada.access)
        .await
        .json();
    assert_eq!(shown["verification"], "PENDING");
}

#[tokio::test]
async fn the_directory_is_searched_and_paged_by_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (name, specialization) in [
        ("Cay", "Cardiology"),
        ("Ada", "Dermatology"),
        ("Bea", "Cardiology"),
        ("Ada", "Cardiology"),
    ] {
        let email = format!("{name}.{specialization}@x.example");
        let form = with(
            doctor_form(name, &email),
            "doctor",
            json!({"specialization": specialization}),
        );
        let id = text(&app.post("/register", &form).await.expect(201).json()["id"]);
        let path = format!("/doctors/{id}/verification");
        app.client
            .put(&path, &admin.access, &json!({"status": "VERIFIED"}))
            .await
            .expect(200);
    }
    let ann = app.patient("ann").await;
    let names = |query: &'static str| {
        let (app, ann) = (&app, &ann);
        async move {
            let mut names = Vec::new();
            let mut cursor = String::new();
            loop {
                let list = app
                    .client
                    .get(&format!("/doctors?limit=1{query}{cursor}"), &ann.access)
                    .await
                    .expect(200)
                    .json();
                names.extend(
                    list["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|doctor| text(&doctor["name"])),
                );
                let Some(next) = list["next_cursor"].as_str() else {
                    return names;
                };
                cursor = format!("&cursor={next}");
            }
        }
    };
    assert_eq!(names("").await, ["Dr Ada", "Dr Ada", "Dr Bea", "Dr Cay"]);
    assert_eq!(
        names("&specialization=cardiology").await,
        ["Dr Ada", "Dr Bea", "Dr Cay"]
    );
    assert_eq!(names("&specialization=Cardio").await, Vec::<String>::new());
    assert_eq!(names("&q=derma").await, ["Dr Ada"]);
    assert_eq!(names("&q=bea").await, ["Dr Bea"]);
    assert_eq!(names("&q=%25").await, Vec::<String>::new());
}

#[tokio::test]
async fn hours_are_set_by_the_doctor_or_an_administrator() {
    let app = TestApp::start().await;
    let ada = app.verified_doctor("ada").await;
    let bea = app.verified_doctor("bea").await;
    let ann = app.patient("ann").await;
    let admin = app.admin().await;
    let path = format!("/doctors/{}/availability", ada.id);
    for stranger in [&bea, &ann] {
        app.client
            .put(&path, &stranger.access, &hours())
            .await
            .expect(403);
    }
    app.client.put(&path, As::Anyone, &hours()).await.expect(401);
    assert_eq!(
        app.client
            .put(&path, &ada.access, &hours())
            .await
            .expect(200)
            .json(),
        hours()
    );
    let longer = with(hours(), "slot_minutes", json!(45));
    app.client.put(&path, &admin.access, &longer).await.expect(200);
    let shown = app
        .client
        .get(&format!("/doctors/{}", ada.id), &ann.access)
        .await
        .json();
    assert_eq!(shown["availability"], longer);
    app.client
        .put(
            &format!("/doctors/{}/availability", ann.id),
            &admin.access,
            &hours(),
        )
        .await
        .expect(404);
    for (member, bad, at) in [
        ("time_zone", json!("Mars/Olympus"), "/time_zone"),
        ("slot_minutes", json!(0), "/slot_minutes"),
        (
            "weekly",
            json!([{"day": "MONDAY", "start": "12:00", "end": "09:00"}]),
            "/weekly/0/end",
        ),
        (
            "exceptions",
            json!([{"date": "2030-02-30", "available": false}]),
            "/exceptions/0/date",
        ),
    ] {
        let answer = app
            .client
            .put(&path, &ada.access, &with(hours(), member, bad))
            .await
            .expect(422)
            .json();
        assert_eq!(answer["errors"][0]["pointer"], at);
    }
}

#[tokio::test]
async fn a_doctor_s_login_works_before_verification() {
    let app = TestApp::start().await;
    let ada = app.doctor("ada").await;
    let me = app.client.get("/users/me", &ada.access).await.expect(200).json();
    assert_eq!(me["doctor"]["verification"], "PENDING");
    app.login(&ada.email, PASSWORD).await;
}
