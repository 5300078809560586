//! One's own account, and accounts as administrators see and change them.

use common_testing::{Answer, As};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, TestApp, User, text};

async fn standing(app: &TestApp, admin: &User, id: &str, body: Value) -> Answer {
    app.client
        .patch(&format!("/users/{id}"), &admin.access, &body)
        .await
}

#[tokio::test]
async fn a_user_changes_what_is_theirs() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let body = json!({
        "name": "Ann Other", "phone": "+12025550143", "time_zone": "Asia/Kolkata",
        "notifications": {
            "categories": {"REMINDER": {"sms": false}},
            "quiet_hours": {"start": "22:00", "end": "07:00"},
            "language": "de-CH"
        }
    });
    let me = app
        .client
        .patch("/users/me", &user.access, &body)
        .await
        .expect(200)
        .json();
    for member in ["name", "phone", "time_zone"] {
        assert_eq!(me[member], body[member]);
    }
    assert_eq!(
        me["notifications"]["quiet_hours"],
        body["notifications"]["quiet_hours"]
    );
    let patch = json!({"phone": null, "notifications": {"quiet_hours": null}});
    let me = app
        .client
        .patch("/users/me", &user.access, &patch)
        .await
        .expect(200)
        .json();
    assert_eq!(me["name"], "Ann Other", "absent members stay");
    assert!(me["phone"].is_null() && me["notifications"]["quiet_hours"].is_null());
    assert_eq!(me["notifications"]["language"], "de-CH");
    assert_eq!(app.client.get("/users/me", &user.access).await.json(), me);
}

#[tokio::test]
async fn a_user_changes_nothing_else() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let before = app.client.get("/users/me", &user.access).await.json();
    for (body, at) in [
        (json!({"role": "ADMIN"}), ""),
        (json!({"status": "ACTIVE"}), ""),
        (json!({"email": "new@x.example"}), ""),
        (json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057"}), ""),
        (json!({"doctor": {"specialization": "x"}}), ""),
        (json!({"name": "B\u{202e}ob"}), "/name"),
        (json!({"phone": "123"}), "/phone"),
        (json!({"time_zone": "Mars/Olympus"}), "/time_zone"),
        (
            json!({"notifications": {"language": "English please"}}),
            "/notifications/language",
        ),
        (
            json!({"notifications": {"quiet_hours": {"start": "25:00", "end": "07:00"}}}),
            "/notifications/quiet_hours/start",
        ),
        (json!({"notifications": {"colour": "red"}}), ""),
    ] {
        let answer = app
            .client
            .patch("/users/me", &user.access, &body)
            .await
            .expect(422)
            .json();
        if !at.is_empty() {
            assert_eq!(answer["errors"][0]["pointer"], at, "{body}");
        }
    }
    assert_eq!(app.client.get("/users/me", &user.access).await.json(), before);
    app.client.get("/users/me", As::Anyone).await.expect(401);
}

#[tokio::test]
async fn only_administrators_see_and_change_others() {
    let app = TestApp::start().await;
    let ann = app.patient("ann").await;
    let ada = app.verified_doctor("ada").await;
    let eve = app.patient("eve").await;
    for user in [&eve, &ada] {
        app.client.get("/users", &user.access).await.expect(403);
        let other = app.client.get(&format!("/users/{}", ann.id), &user.access).await;
        assert_eq!(other.problem(404), "not-found");
        standing(&app, user, &ann.id, json!({"status": "SUSPENDED"}))
            .await
            .expect(403);
        standing(&app, user, &user.id, json!({"role": "ADMIN"}))
            .await
            .expect(403);
        let body = json!({"name": "x", "email": "x@x.example", "password": PASSWORD, "role": "ADMIN"});
        app.client.post("/users", &user.access, &body).await.expect(403);
        app.client.get("/audit", &user.access).await.expect(403);
        app.client
            .post("/keys/rotate", &user.access, &json!({}))
            .await
            .expect(403);
        app.client
            .get(&format!("/users/{}", user.id), &user.access)
            .await
            .expect(200);
    }
    for path in ["/users", "/users/me", "/sessions", "/doctors", "/audit", "/keys"] {
        let answer = app.client.get(path, As::Anyone).await;
        assert_eq!(answer.problem(401), "unauthorized", "{path}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    let admin = app.admin().await;
    let seen = app
        .client
        .get(&format!("/users/{}", ann.id), &admin.access)
        .await
        .expect(200)
        .json();
    assert_eq!(seen["email"], ann.email);
}

#[tokio::test]
async fn administrators_find_accounts() {
    let app = TestApp::start().await;
    for name in ["ann", "bob", "100%_x"] {
        let email = format!("{}@patients.example", name.replace(['%', '_'], ""));
        let form = json!({"name": name, "email": email, "password": PASSWORD, "role": "PATIENT"});
        app.post("/register", &form).await.expect(201);
    }
    app.doctor("ada").await;
    let admin = app.admin().await;
    let names = |query: &'static str| {
        let (app, admin) = (&app, &admin);
        async move {
            let list = app
                .client
                .get(&format!("/users{query}"), &admin.access)
                .await
                .expect(200)
                .json();
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| text(&user["name"]))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(names("").await.len(), 5);
    assert_eq!(names("?role=DOCTOR").await, ["Dr ada"]);
    assert_eq!(names("?role=DOCTOR&verification=PENDING").await, ["Dr ada"]);
    assert_eq!(names("?role=PATIENT&q=bo").await, ["bob"]);
    assert_eq!(names("?q=%25_").await, ["100%_x"], "wildcards are letters");
    assert_eq!(names("?q=patients.example").await.len(), 3);
    assert_eq!(names("?q=ADA@Doctors.Example").await, ["Dr ada"]);
    assert_eq!(names("?q=DR%20ADA").await, ["Dr ada"]);
    assert_eq!(names("?status=SUSPENDED").await, Vec::<String>::new());
    app.client
        .get("/users?role=BOSS", &admin.access)
        .await
        .expect(422);
    let first = app.client.get("/users?limit=3", &admin.access).await.json();
    let next = app
        .client
        .get(
            &format!("/users?limit=3&cursor={}", text(&first["next_cursor"])),
            &admin.access,
        )
        .await
        .json();
    assert_eq!(next["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn suspension_bites_at_once_and_can_be_lifted() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let admin = app.admin().await;
    let suspended = standing(&app, &admin, &user.id, json!({"status": "SUSPENDED"}))
        .await
        .expect(200)
        .json();
    assert_eq!(suspended["status"], "SUSPENDED");
    assert!(!app.accepts(&user.access).await);
    app.refresh(&user.refresh).await.expect(401);
    app.login_as(&user.email, PASSWORD).await.expect(401);
    standing(&app, &admin, &user.id, json!({"status": "ACTIVE"}))
        .await
        .expect(200);
    app.login(&user.email, PASSWORD).await;
    assert!(!app.accepts(&user.access).await, "the old session stays ended");
    standing(
        &app,
        &admin,
        "01890a5d-ac96-774b-bcce-b302099a8057",
        json!({"status": "ACTIVE"}),
    )
    .await
    .expect(404);
    standing(&app, &admin, &user.id, json!({"status": "PENDING"}))
        .await
        .expect(422);
    standing(&app, &admin, &user.id, json!({"password": PASSWORD}))
        .await
        .expect(422);
}

#[tokio::test]
async fn a_new_role_needs_a_new_login() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let admin = app.admin().await;
    standing(&app, &admin, &user.id, json!({"role": "DOCTOR"}))
        .await
        .expect(422);
    let body = json!({"role": "DOCTOR", "doctor": {"specialization": "Dermatology"}});
    let doctor = standing(&app, &admin, &user.id, body).await.expect(200).json();
    assert_eq!(doctor["doctor"]["verification"], "PENDING");
    assert!(!app.accepts(&user.access).await, "the old role is over");
    let again = app.login(&user.email, PASSWORD).await;
    assert_eq!(crate::helpers::claims(&again.access)["role"], "DOCTOR");
    standing(&app, &admin, &user.id, json!({"role": "PATIENT"}))
        .await
        .expect(200);
    let back = standing(&app, &admin, &user.id, json!({"role": "DOCTOR"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        back["doctor"]["specialization"], "Dermatology",
        "the profile was kept"
    );
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for body in [json!({"status": "SUSPENDED"}), json!({"role": "PATIENT"})] {
        assert_eq!(
            standing(&app, &admin, &admin.id, body).await.problem(409),
            "last-admin"
        );
    }
    let second = app.another_admin("bea").await;
    let own = standing(&app, &admin, &admin.id, json!({"role": "PATIENT"})).await;
    assert_eq!(own.problem(409), "own-role", "it takes another administrator");
    standing(
        &app,
        &admin,
        &admin.id,
        json!({"role": "ADMIN", "status": "ACTIVE"}),
    )
    .await
    .expect(200);
    standing(&app, &admin, &second.id, json!({"status": "SUSPENDED"}))
        .await
        .expect(200);
    assert_eq!(
        standing(&app, &admin, &admin.id, json!({"role": "PATIENT"}))
            .await
            .problem(409),
        "last-admin"
    );
}

#[tokio::test]
async fn administrators_who_remove_each_other_leave_one() {
    let app = TestApp::start().await;
    for round in 0..5 {
        let names: Vec<String> = (0..3).map(|n| format!("r{round}n{n}")).collect();
        let mut admins = vec![app.admin().await];
        for name in &names {
            admins.push(app.another_admin(name).await);
        }
        let removals = admins.iter().enumerate().map(|(n, admin)| {
            let target = &admins[(n + 1) % admins.len()];
            standing(&app, admin, &target.id, json!({"role": "PATIENT"}))
        });
        join_all(removals).await;
        let left: i64 =
            sqlx::query_scalar("select count(*) from users where role = 'ADMIN' and status = 'ACTIVE'")
                .fetch_one(&app.db)
                .await
                .unwrap();
        assert!(left >= 1, "round {round}: nobody is left");
        sqlx::query("update users set role = 'ADMIN' where email_key = ?")
            .bind(crate::helpers::ADMIN_EMAIL)
            .execute(&app.db)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_invited_user_sets_a_password_by_mail() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({"name": "New Nurse", "email": "new@clinic.example", "role": "ADMIN"});
    app.client.post("/users", &admin.access, &body).await.expect(201);
    common_testing::eventually("the mail", || async {
        app.events("user.password_reset_requested")
            .await
            .into_iter()
            .next()
    })
    .await;
    app.client.post("/users", &admin.access, &body).await.expect(409);
}
