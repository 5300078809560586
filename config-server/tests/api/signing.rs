//! Answers that prove that the server knows the caller's secret.

use common::config::signature::{Question, SIGNATURE, SigningKey};
use common::config::{Live, RefreshError, Settings, from_yaml};
use common_testing::{Answer, As, Client};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

use crate::helpers::{OTHER, SVC, Server, secret};

const FILES: &[(&str, &str)] = &[("svc.yml", "http_client: {timeout_ms: 4321}\n")];
const PATH: &str = "/svc/default?resolvePlaceholders=true";

#[derive(Deserialize)]
struct Nothing {}

impl Settings for Nothing {}

/// The service `svc`, whose config-server this is and must prove it.
fn service(server: &Server, secret: &str, prefix: &str) -> Arc<Live<Nothing>> {
    let address = server.running.address;
    let yaml = format!(
        "config_server: {{url: 'http://{SVC}:{secret}@{address}{prefix}', timeout_ms: 2000, require_signature: true}}"
    );
    from_yaml(SVC, &[&yaml]).unwrap()
}

async fn ask(server: &Server, authorization: &str, path: &str) -> Answer {
    let request = server.client.request(Method::GET, path, As::Anyone);
    Client::send(request.header("authorization", authorization)).await
}

#[tokio::test]
async fn a_service_takes_settings_from_a_server_that_knows_its_secret() {
    let (server, folder) = Server::serving(FILES).await;
    let live = service(&server, &secret(SVC), "");
    assert_eq!(live.refresh().await.unwrap().changed, ["http_client.timeout_ms"]);
    assert_eq!(live.core().http_client.timeout_ms, 4321);

    let below = Server::of(&folder, "  prefix: /config\n").await;
    let live = service(&below, &secret(SVC), "/config");
    assert_eq!(live.refresh().await.unwrap().changed, ["http_client.timeout_ms"]);

    let live = service(&server, &secret(OTHER), "");
    assert!(matches!(live.refresh().await, Err(RefreshError::Away(_))));
}

#[tokio::test]
async fn every_answer_to_a_signed_question_is_signed_and_no_other() {
    let (server, _folder) = Server::serving(FILES).await;
    let key = SigningKey::new(&secret(SVC));
    for (path, status) in [(PATH, 200), ("/other/default", 403), ("/svc/a%20b", 400)] {
        let question = Question::new(SVC, common::clock::Clock::System.now());
        let answer = ask(&server, &key.authorization(&question, path), path).await;
        assert_eq!(answer.status, status, "{path}");
        let tag = answer.header(SIGNATURE);
        assert!(
            key.has_signed(&question, (status, path), &answer.body, tag),
            "{path}"
        );
    }
    let plain = server.get(SVC, PATH).await.expect(200);
    assert_eq!(plain.headers.get(SIGNATURE), None);
    assert_eq!(
        plain.json()["propertySources"][0]["source"],
        json!({"http_client.timeout_ms": 4321})
    );
}

#[tokio::test]
async fn a_forged_or_old_question_is_refused() {
    let (server, _folder) = Server::serving(FILES).await;
    let now = common::clock::Clock::System.now();
    let (mine, other) = (SigningKey::new(&secret(SVC)), SigningKey::new(&secret(OTHER)));
    let question = Question::new(SVC, now);
    let old = Question::new(SVC, now - chrono::TimeDelta::minutes(10));
    let nobody = Question::new("nobody", now);
    for forged in [
        other.authorization(&question, PATH),
        mine.authorization(&question, "/svc/default"),
        mine.authorization(&old, PATH),
        mine.authorization(&nobody, PATH),
        mine.authorization(&question, PATH).replace("svc:", "admin:"),
        "Signed".to_owned(),
        "Signed svc:0:0:0".to_owned(),
    ] {
        let answer = ask(&server, &forged, PATH).await;
        answer.problem(401);
        assert_eq!(answer.headers.get(SIGNATURE), None, "{forged}");
    }
}
