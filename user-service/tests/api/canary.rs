//! What must never stand in a log, looked for in the log of a running program that was used for everything.

use common_testing::{Answer, As, Client, eventually};
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{ADMIN_EMAIL, ADMIN_PASSWORD, MASTER_KEY, SERVICE_SECRET, text};
use crate::process::{Process, Site};

const NAME: &str = "Cnry Quillfeather";
const EMAIL: &str = "cnry.quill@canaries.example";
const PHONE: &str = "+12025550143";
const PASSWORD: &str = "cnry-lantern-orbit-92";
const NEW_PASSWORD: &str = "cnry-violin-copper-38";
const RESET_PASSWORD: &str = "cnry-harvest-walrus-17";
const WRONG: &str = "cnry-wrong-horse-battery";
const REASON: &str = "cnry-note-about-a-licence";

/// Everything secret that was seen on the way.
struct Canaries(Vec<String>);

impl Canaries {
    fn keep(&mut self, answer: &Value, members: &[&str]) {
        self.0.extend(members.iter().map(|member| text(&answer[*member])));
    }
}

async fn send(process: &Process, method: Method, path: &str, who: &str, body: &Value) -> Answer {
    let who = if who.is_empty() {
        As::Anyone
    } else {
        As::Token(who)
    };
    Client::send(process.client.request(method, path, who).json(body)).await
}

async fn login(process: &Process, canaries: &mut Canaries, email: &str, password: &str) -> Value {
    let body = json!({"email": email, "password": password});
    let answer = send(process, Method::POST, "/login", "", &body).await;
    let tokens = answer.expect(200).json();
    canaries.keep(&tokens, &["access_token", "refresh_token"]);
    tokens
}

/// An account from its making to its second factor, with everything that can be mistyped on the way.
async fn live(process: &Process, canaries: &mut Canaries) {
    let form = json!({"name": NAME, "email": EMAIL, "password": PASSWORD, "phone": PHONE, "role": "DOCTOR",
        "doctor": {"specialization": "Cardiology", "license_number": "cnry-B-123"}});
    send(process, Method::POST, "/register", "", &form)
        .await
        .expect(201);
    send(process, Method::POST, "/register", "", &form)
        .await
        .expect(409);
    let typo = json!({"email": EMAIL, "pasword": PASSWORD});
    send(process, Method::POST, "/login", "", &typo).await.expect(422);
    let request = process.client.request(Method::POST, "/login", As::Anyone);
    let broken = format!("{{\"email\": \"{EMAIL}\", \"password\": \"{PASSWORD}\"");
    let request = request.header("content-type", "application/json").body(broken);
    Client::send(request).await.expect(400);
    let wrong = json!({"email": EMAIL, "password": WRONG});
    send(process, Method::POST, "/login", "", &wrong)
        .await
        .expect(401);

    let tokens = login(process, canaries, EMAIL, PASSWORD).await;
    let renew = json!({"refresh_token": tokens["refresh_token"]});
    let tokens = send(process, Method::POST, "/token/refresh", "", &renew).await;
    let tokens = tokens.expect(200).json();
    canaries.keep(&tokens, &["access_token", "refresh_token"]);
    let access = text(&tokens["access_token"]);
    let change = json!({"current_password": WRONG, "new_password": NEW_PASSWORD});
    let path = "/users/me/password";
    send(process, Method::PUT, path, &access, &change)
        .await
        .expect(422);
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    send(process, Method::PUT, path, &access, &change)
        .await
        .expect(204);
    let begin = json!({"current_password": NEW_PASSWORD});
    let app = send(process, Method::POST, "/users/me/second-factor", &access, &begin).await;
    let app = app.expect(201).json();
    canaries.keep(&app, &["secret", "otpauth_url"]);
    let mangled = format!("{access}x");
    send(process, Method::GET, "/users/me", &mangled, &json!({}))
        .await
        .expect(401);
    let query = format!("/users/me?access_token={access}");
    process.client.get(&query, As::Anyone).await.expect(401);
}

/// An administrator looks for the account and judges it; its owner forgets the password.
async fn administer(process: &Process, site: &Site, canaries: &mut Canaries) {
    let tokens = login(process, canaries, ADMIN_EMAIL, ADMIN_PASSWORD).await;
    let admin = text(&tokens["access_token"]);
    let found = process.client.get(&format!("/users?q={EMAIL}"), &admin).await;
    let id = text(&found.expect(200).json()["items"][0]["id"]);
    let verdict = json!({"status": "REJECTED", "note": REASON});
    let path = format!("/doctors/{id}/verification");
    send(process, Method::PUT, &path, &admin, &verdict)
        .await
        .expect(200);

    let forgotten = json!({"email": EMAIL});
    send(process, Method::POST, "/password/forgot", "", &forgotten)
        .await
        .expect(202);
    let reset: uuid::Uuid = eventually("the reset", || async {
        let ids = sqlx::query_scalar("select id from password_resets");
        ids.fetch_optional(&site.db).await.unwrap()
    })
    .await;
    let request = process
        .client
        .request(Method::POST, "/internal/token", As::Anyone);
    let request = request.basic_auth("notification-service", Some(SERVICE_SECRET));
    let service = Client::send(request.json(&json!({"audience": user_service::NAME}))).await;
    let service = service.expect(200).json();
    canaries.keep(&service, &["access_token"]);
    let path = format!("/internal/password-resets/{reset}");
    let token = process.client.get(&path, &text(&service["access_token"])).await;
    let token = token.expect(200).json();
    canaries.keep(&token, &["token"]);
    let body = json!({"token": token["token"], "new_password": RESET_PASSWORD});
    send(process, Method::POST, "/password/reset", "", &body)
        .await
        .expect(204);
    send(process, Method::POST, "/password/reset", "", &body)
        .await
        .expect(422);
}

#[tokio::test]
async fn nothing_secret_and_nobody_s_name_stands_in_the_log() {
    let site = Site::new().await;
    let process = site.serve().await;
    let fixed = [
        NAME,
        EMAIL,
        PHONE,
        PASSWORD,
        NEW_PASSWORD,
        RESET_PASSWORD,
        WRONG,
        REASON,
        "cnry",
        ADMIN_EMAIL,
        ADMIN_PASSWORD,
        MASTER_KEY,
        SERVICE_SECRET,
    ];
    let mut canaries = Canaries(fixed.map(str::to_owned).to_vec());
    live(&process, &mut canaries).await;
    administer(&process, &site, &mut canaries).await;
    let log = process.stop().await;
    println!(
        "log: {} lines, {} canaries",
        log.lines().count(),
        canaries.0.len()
    );
    for canary in &canaries.0 {
        let line = log.lines().find(|line| line.contains(canary.as_str()));
        assert!(line.is_none(), "{canary} stands in {}", line.unwrap_or_default());
    }

    // The log is the whole one: it ends with the audit's head, through which the audit passes.
    let head = log.lines().rfind(|line| line.contains("audit_head")).unwrap();
    let head: Value = serde_json::from_str(head).unwrap();
    let verified = site
        .run(&["verify-audit", "--expect", head["audit_head"].as_str().unwrap()])
        .await;
    assert!(verified.status.success());
    let newest: i64 = sqlx::query_scalar("select max(seq) from audit")
        .fetch_one(&site.db)
        .await
        .unwrap();
    assert!(text(&head["audit_head"]).starts_with(&format!("{newest}:")));
}
