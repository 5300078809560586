use aws_lc_rs::hmac;
use common::background::Background;
use common::broker::{AmqpSettings, Broker};
use common_testing::{Answer, As, Client, amqp_url, eventually};
use http::Method;
use serde_json::json;

use crate::helpers::{ADMIN, Folder, SVC, Server};

const SECRET: &str = "webhook-0123456789abcdef0123456789";
const PUSH: &str = r#"{"ref":"refs/heads/main","commits":[{"added":[],"removed":[],"modified":["svc-dev.yml","application.yml"]}]}"#;

/// A server that does not look at its folder by itself.
async fn server(folder: &Folder) -> Server {
    Server::of(
        folder,
        &format!("  refresh_interval_s: 3600\nmonitor:\n  secret: {SECRET}\n  per_minute: 3\n"),
    )
    .await
}

fn signature(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hex::encode(hmac::sign(&key, body.as_bytes()))
}

async fn hook(server: &Server, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = server
        .client
        .request(Method::POST, "/monitor", As::Anyone)
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Client::send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn a_notification_makes_the_change_visible_at_once() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let server = server(&folder).await;
    folder.write("svc.yml", "a: 2\n");
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    let signed = format!("sha256={}", signature(PUSH));
    let answer = hook(
        &server,
        &[("x-github-event", "push"), ("x-hub-signature-256", &signed)],
        PUSH,
    )
    .await;
    assert_eq!(answer.expect(200).json(), json!(["svc-dev", "svc", "*"]));
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(2)));
}

#[tokio::test]
async fn every_host_is_understood() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let tag = signature(PUSH);
    let hosts: [&[(&str, &str)]; 5] = [
        &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", SECRET)],
        &[("x-gitea-event", "push"), ("x-gitea-signature", &tag)],
        &[("x-gogs-event", "push"), ("x-gogs-signature", &tag)],
        &[("x-git-oschina-event", "Push Hook"), ("x-gitee-token", SECRET)],
        &[("x-github-event", "ping"), ("x-hub-signature-256", &tag)],
    ];
    for (index, headers) in hosts.into_iter().enumerate() {
        let expected = if index == 4 {
            json!([])
        } else {
            json!(["svc-dev", "svc", "*"])
        };
        assert_eq!(
            hook(&server(&folder).await, headers, PUSH)
                .await
                .expect(200)
                .json(),
            expected
        );
    }
    let named = format!("sha256={tag}");
    let bitbucket = [("x-event-key", "repo:push"), ("x-hub-signature", named.as_str())];
    assert_eq!(
        hook(&server(&folder).await, &bitbucket, PUSH)
            .await
            .expect(200)
            .json(),
        json!(["*"])
    );
    let server = server(&folder).await;
    let form = server
        .post(
            ADMIN,
            "/monitor",
            "application/x-www-form-urlencoded",
            "path=svc.yml&path=other-x.yml",
        )
        .await;
    assert_eq!(form.expect(200).json(), json!(["svc", "other-x", "other"]));
    let generic = server
        .post(ADMIN, "/monitor", "application/json", r#"{"path": ["svc.yml"]}"#)
        .await;
    assert_eq!(generic.expect(200).json(), json!(["svc"]));
}

#[tokio::test]
async fn an_unsigned_notification_does_nothing() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let server = server(&folder).await;
    folder.write("svc.yml", "a: 2\n");
    let other = signature("another body");
    let unnamed = signature(PUSH);
    let forged: [&[(&str, &str)]; 7] = [
        &[("x-github-event", "push"), ("x-hub-signature", &unnamed)],
        &[("x-github-event", "push")],
        &[("x-github-event", "push"), ("x-hub-signature-256", "sha256=")],
        &[("x-github-event", "push"), ("x-hub-signature-256", &other)],
        &[("x-github-event", "push"), ("x-hub-signature", &other)],
        &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "")],
        &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "wrong")],
    ];
    for headers in forged {
        hook(&server, headers, PUSH).await.problem(401);
    }
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(1)));
    let without = Server::of(&folder, "").await;
    hook(
        &without,
        &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "")],
        PUSH,
    )
    .await
    .problem(401);
}

#[tokio::test]
async fn a_flood_is_bounded() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let server = server(&folder).await;
    for _ in 0..3 {
        server
            .post(ADMIN, "/monitor", "application/json", "{}")
            .await
            .expect(200);
    }
    let refused = server.post(ADMIN, "/monitor", "application/json", "{}").await;
    assert_eq!(
        (refused.problem(429).as_str(), refused.header("retry-after")),
        ("too-many-notifications", "60")
    );
    server
        .post(ADMIN, "/monitor", "application/json", "{")
        .await
        .problem(400);
    server
        .post(ADMIN, "/monitor", "application/json", &"x".repeat(1 << 20))
        .await
        .problem(413);
}

#[tokio::test]
async fn a_change_is_broadcast_to_those_it_concerns() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let amqp = AmqpSettings::for_test(amqp_url());
    let background = Background::new();
    let (heard, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let listener = Broker::start(&amqp, &background);
    listener.on_broadcast(move |body| {
        let _ = heard.send(String::from_utf8(body.to_vec()).unwrap());
        std::future::ready(())
    });
    let settings = format!("  refresh_interval_s: 3600\nmonitor: {{secret: {SECRET}, per_minute: 1000}}\n");
    let server = Server::on_bus(&folder, &settings, &amqp).await;
    let tell = async |path: &str| {
        let form = format!("path={path}");
        server
            .post(ADMIN, "/monitor", "application/x-www-form-urlencoded", &form)
            .await
    };
    eventually("the first message", || async {
        tell("svc.yml").await;
        (!messages.is_empty()).then_some(())
    })
    .await;
    tell("other-x.yml").await.expect(200);
    tell("application-dev.yml").await.expect(200);
    tell("no%20name%21.yml").await.expect(200);
    let many: Vec<String> = (0..20).map(|n| format!("s{n}.yml")).collect();
    tell(&many.join("&path=")).await.expect(200);
    let mut all = Vec::new();
    let patience = std::time::Duration::from_secs(20);
    while all.iter().filter(|text: &&String| text.contains("**")).count() < 2 {
        all.push(
            tokio::time::timeout(patience, messages.recv())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    all.dedup();
    let refresh = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .map(|name| json!({ "refresh": name }).to_string())
            .collect()
    };
    assert_eq!(all, refresh(&["svc", "other-x", "other", "**", "**"])[..4]);
    background.stop();
}

#[tokio::test]
async fn while_the_broker_is_away_the_host_hears_of_it_and_the_change_is_served() {
    let folder = Folder::with(&[("svc.yml", "a: 1\n")]);
    let away = AmqpSettings::for_test("amqp://127.0.0.1:1");
    let server = Server::on_bus(&folder, "  refresh_interval_s: 3600\n", &away).await;
    folder.write("svc.yml", "a: 2\n");
    let body = r#"{"path": ["svc.yml"]}"#;
    let answer = server.post(ADMIN, "/monitor", "application/json", body).await;
    assert_eq!(answer.problem(503), "unavailable");
    answer.header("retry-after");
    assert_eq!(server.value(SVC, "/svc/default", "a").await, Some(json!(2)));
}
