//! `POST /register`.

use common_testing::As;
use serde_json::{Value, json};

use crate::helpers::{ADMIN_EMAIL, PASSWORD, TestApp, claims, doctor_form, patient_form, text, with};

#[tokio::test]
async fn a_patient_registers_and_logs_in() {
    let app = TestApp::start().await;
    let form = json!({
        "name": " Zoë  Łuć ", "email": "Zoe@Patients.example", "password": PASSWORD, "role": "PATIENT",
        "phone": "+49 30 901820", "time_zone": "Europe/Berlin"
    });
    let answer = app.post("/register", &form).await.expect(201);
    let user = answer.json();
    assert_eq!(
        answer.headers["location"],
        format!("/users/{}", text(&user["id"]))
    );
    assert_eq!(user["name"], "Zoë  Łuć");
    assert_eq!(user["email"], "Zoe@Patients.example");
    assert_eq!(user["phone"], "+4930901820");
    assert_eq!(
        (&user["role"], &user["status"]),
        (&json!("PATIENT"), &json!("ACTIVE"))
    );
    assert!(user.get("doctor").is_none());
    assert!(!answer.text().contains("hash") && !answer.text().contains(PASSWORD));

    let login = app
        .login_as("zoe@patients.example", PASSWORD)
        .await
        .expect(200)
        .json();
    assert_eq!(login["token_type"], "Bearer");
    assert_eq!(login["expires_in"], 300);
    assert!(login["refresh_expires_in"].as_i64().unwrap() > 86_400);
    assert_eq!(
        login["user"],
        json!({"id": user["id"], "name": "Zoë  Łuć", "role": "PATIENT"})
    );
    let me = app
        .client
        .get("/users/me", &text(&login["access_token"]))
        .await
        .expect(200)
        .json();
    assert_eq!(me["id"], user["id"]);
    assert_eq!(
        app.events("user.registered").await.len(),
        2,
        "this one and the administrator"
    );
}

#[tokio::test]
async fn a_token_says_who_and_nothing_more() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let claims = claims(&user.access);
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["aud", "exp", "iat", "iss", "jti", "nbf", "role", "sid", "sub"]
    );
    assert_eq!(claims["sub"], user.id);
    assert_eq!(claims["role"], "PATIENT");
}

#[tokio::test]
async fn nobody_makes_themselves_more_than_they_are() {
    let app = TestApp::start().await;
    let form = |n: usize| patient_form(&format!("mallory{n}@x.example"));
    for (n, (member, value)) in [
        ("roles", json!(["ADMIN"])),
        ("id", json!("01890a5d-ac96-774b-bcce-b302099a8057")),
        ("status", json!("ACTIVE")),
        ("verified", json!(true)),
        ("verification", json!("VERIFIED")),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("password_hash", json!("$argon2id$")),
        ("permissions", json!(["*"])),
        ("is_admin", json!(true)),
        ("user", json!({"role": "ADMIN"})),
        ("Role", json!("ADMIN")),
        ("rоle", json!("ADMIN")),
        ("role", json!("ADMIN")),
        ("role", json!("admin")),
        ("role", json!(["PATIENT"])),
        ("role", json!(0)),
        ("role", json!("ADMIN ")),
        ("role", Value::Null),
        ("doctor", json!({"specialization": "Cardiology"})),
    ]
    .into_iter()
    .enumerate()
    {
        app.post("/register", &with(form(n), member, value.clone()))
            .await
            .expect(422);
        app.login_as(&format!("mallory{n}@x.example"), PASSWORD)
            .await
            .expect(401);
    }
    let twice = r#"{"name":"M","email":"m@x.example","password":"lantern-orbit-92-walrus","role":"PATIENT","role":"ADMIN"}"#;
    let request = app.client.request(http::Method::POST, "/register", As::Anyone);
    let answer =
        common_testing::Client::send(request.header("content-type", "application/json").body(twice)).await;
    assert_eq!(answer.problem(422), "invalid-request");

    let pending = with(
        doctor_form("eve", "eve@x.example"),
        "doctor",
        json!({"specialization": "x", "verification": "VERIFIED"}),
    );
    app.post("/register", &pending).await.expect(422);
    let admins: i64 = sqlx::query_scalar("select count(*) from users")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(admins, 1, "only the first administrator");
}

#[tokio::test]
async fn bad_members_are_named() {
    let app = TestApp::start().await;
    for (member, value, why) in [
        ("name", json!(""), "empty"),
        ("name", json!("  "), "blank"),
        ("name", json!("Bob\r\nBcc: x@y.z"), "line break"),
        ("name", json!("B\u{202e}ob"), "bidirectional override"),
        ("name", json!("x".repeat(101)), "long"),
        ("email", json!("not-an-address"), "no @"),
        ("email", json!("ánn@x.example"), "accent"),
        ("email", json!("a@x.example\n"), "line break"),
        ("phone", json!("030 901820"), "national"),
        ("phone", json!("+999123456789"), "no such country"),
        ("time_zone", json!("Mars/Olympus"), "no zone"),
        ("password", json!("short-pass1"), "11 characters"),
        ("password", json!("password1234"), "guessable"),
        ("password", json!("aaaaaaaaaaaaaaa"), "repeated"),
        ("password", json!("x".repeat(129)), "129 characters"),
    ] {
        let answer = app
            .post("/register", &with(patient_form("ann@x.example"), member, value))
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{why}");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            format!("/{member}"),
            "{why}"
        );
    }
    let own_name = json!({"name": "Bartholomew Featherstone", "email": "b@x.example", "password": "bartholomewfeatherstone", "role": "PATIENT"});
    app.post("/register", &own_name).await.expect(422);
    let both = with(with(patient_form("x"), "name", json!("")), "phone", json!("1"));
    assert_eq!(
        app.post("/register", &both).await.expect(422).json()["errors"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_huge_password_costs_nothing() {
    let app = TestApp::start().await;
    let form = with(
        patient_form("ann@x.example"),
        "password",
        json!("x".repeat(1 << 20)),
    );
    let begun = std::time::Instant::now();
    app.post("/register", &form).await.expect(413);
    let form = with(
        patient_form("ann@x.example"),
        "password",
        json!("x".repeat(200_000)),
    );
    app.post("/register", &form).await.expect(422);
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_mailbox_is_one_account() {
    let app = TestApp::start().await;
    app.post("/register", &patient_form("ann@x.example"))
        .await
        .expect(201);
    for spelling in [
        "ann@x.example",
        "ANN@X.example",
        " ann@x.example ",
        "ａｎｎ@x.example",
    ] {
        let answer = app.post("/register", &patient_form(spelling)).await;
        assert_eq!(answer.problem(409), "email-taken", "{spelling}");
    }
    app.post("/register", &patient_form(ADMIN_EMAIL))
        .await
        .expect(409);
}

#[tokio::test]
async fn of_many_at_once_one_gets_the_address() {
    let app = TestApp::start().await;
    let form = patient_form("race@x.example");
    let answers = futures_util::future::join_all((0..20).map(|_| app.post("/register", &form))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        19,
        "{statuses:?}"
    );
    assert_eq!(
        app.events("user.registered").await.len(),
        2,
        "one event, beside the administrator's"
    );
}

#[tokio::test]
async fn strange_text_is_stored_as_it_is() {
    let app = TestApp::start().await;
    for (n, name) in [
        "'; DROP TABLE users; --",
        "\\'",
        "%_",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "名前",
        "<script>alert(1)</script>",
        "Robert'); --",
    ]
    .into_iter()
    .enumerate()
    {
        let form = with(patient_form(&format!("n{n}@x.example")), "name", json!(name));
        assert_eq!(
            app.post("/register", &form).await.expect(201).json()["name"],
            name
        );
    }
}

#[tokio::test]
async fn a_doctor_starts_pending_and_needs_a_profile() {
    let app = TestApp::start().await;
    let user = app
        .post("/register", &doctor_form("Ada", "ada@x.example"))
        .await
        .expect(201)
        .json();
    assert_eq!(user["doctor"]["verification"], "PENDING");
    assert_eq!(user["doctor"]["specialization"], "Cardiology");
    assert_eq!(user["doctor"]["license_number"], "B-123");
    assert_eq!(user["doctor"]["availability"]["time_zone"], "Europe/Berlin");
    app.login("ada@x.example", PASSWORD).await;

    let mut without = doctor_form("Bob", "bob@x.example");
    without.as_object_mut().unwrap().remove("doctor");
    assert_eq!(
        app.post("/register", &without).await.expect(422).json()["errors"][0]["pointer"],
        "/doctor"
    );
    let empty = with(
        doctor_form("Bob", "bob@x.example"),
        "doctor",
        json!({"specialization": ""}),
    );
    let answer = app.post("/register", &empty).await.expect(422).json();
    assert_eq!(answer["errors"][0]["pointer"], "/doctor/specialization");
    let hours =
        json!({"specialization": "x", "availability": {"time_zone": "UTC", "slot_minutes": 0, "weekly": []}});
    let answer = app
        .post(
            "/register",
            &with(doctor_form("Bob", "bob@x.example"), "doctor", hours),
        )
        .await
        .expect(422)
        .json();
    assert_eq!(
        answer["errors"][0]["pointer"],
        "/doctor/availability/slot_minutes"
    );
}
