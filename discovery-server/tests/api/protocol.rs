//! Statuses, bodies and paths that clients compare exactly.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{As, Server, instance};

#[tokio::test]
async fn the_life_of_an_instance_under_every_spelling_of_the_paths() {
    let server = Server::start().await;
    for (prefix, slash) in [
        ("/eureka", ""),
        ("/eureka", "/"),
        ("/eureka/v2", ""),
        ("/eureka/v2", "/"),
    ] {
        let app = format!("{prefix}/apps/user-service");
        let one = format!("{app}/127.0.0.1%3Auser-service%3A8081{slash}");
        let registered = server
            .post(
                As::User,
                &format!("{app}{slash}"),
                &instance("USER-SERVICE", "127.0.0.1:user-service:8081"),
            )
            .await;
        assert_eq!(
            (
                registered.status().as_u16(),
                registered.text().await.unwrap().as_str()
            ),
            (204, "")
        );
        let beat = server.request(
            As::User,
            Method::PUT,
            &format!("{one}?status=UP&lastDirtyTimestamp=1000"),
        );
        let beat = beat.send().await.unwrap();
        assert_eq!(
            (beat.status().as_u16(), beat.text().await.unwrap().as_str()),
            (200, "")
        );
        assert_eq!(
            server.send(As::User, Method::PUT, &one).await,
            200,
            "without parameters"
        );
        for read in [
            format!("{app}{slash}"),
            one.clone(),
            format!("{prefix}/apps{slash}"),
        ] {
            assert_eq!(server.get(&read).await.status(), 200, "{read}");
        }
        let anywhere = format!("{prefix}/instances/127.0.0.1:user-service:8081{slash}");
        assert_eq!(server.json(&anywhere).await["instance"]["app"], "USER-SERVICE");
        assert_eq!(server.send(As::User, Method::DELETE, &one).await, 200);
        assert_eq!(server.send(As::User, Method::DELETE, &one).await, 404);
        for gone in [format!("{app}{slash}"), one] {
            assert_eq!(server.get(&gone).await.status(), 404, "{gone}");
        }
        assert_eq!(server.get(&anywhere).await.status(), 404);
    }
    server.stop().await;
}

#[tokio::test]
async fn paths_without_the_prefix_are_not_there() {
    let server = Server::start().await;
    for path in [
        "/v2/apps",
        "/apps",
        "/v2/apps/X",
        "/eureka/v2/v2/apps",
        "/eureka/nothing",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(server.send(As::Admin, Method::PATCH, "/eureka/apps").await, 405);
    server.stop().await;
}

#[tokio::test]
async fn a_failed_heartbeat_has_no_body_that_a_client_could_try_to_read() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    for (who, path, status) in [
        (As::User, "/eureka/apps/USER-SERVICE/unknown", 404),
        (
            As::User,
            "/eureka/apps/USER-SERVICE/a?lastDirtyTimestamp=1001",
            404,
        ),
        (As::User, "/eureka/apps/USER-SERVICE/%22%3C", 404),
        (As::User, "/eureka/apps/USER-SERVICE/%FF", 404),
        (As::Notification, "/eureka/apps/USER-SERVICE/a", 403),
        (As::Nobody, "/eureka/apps/USER-SERVICE/a", 401),
    ] {
        let answer = server.request(who, Method::PUT, path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401);
        assert_eq!(answer.text().await.unwrap(), "", "{path}");
    }
    for odd in [
        "status=nonsense&lastDirtyTimestamp=null&overriddenstatus=x",
        "lastDirtyTimestamp=1000&lastDirtyTimestamp=1000",
        "status=UP&status=UP&%FF=%FF&&",
    ] {
        let path = format!("/eureka/apps/USER-SERVICE/a?{odd}");
        let answer = server.request(As::User, Method::PUT, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "only what matters is looked at: {odd}");
        assert_eq!(answer.text().await.unwrap(), "", "{odd}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_said_in_the_words_that_clients_know() {
    let server = Server::start().await;
    let changed = |field: &str, value: Value| {
        let mut document = instance("USER-SERVICE", "a");
        document["instance"][field] = value;
        document
    };
    for (document, said) in [
        (changed("hostName", Value::Null), "Missing hostname"),
        (changed("ipAddr", json!("")), "Missing ip address"),
        (changed("app", Value::Null), "Missing appName"),
        (
            changed("app", json!("OTHER")),
            "Mismatched appName, expecting USER-SERVICE but was OTHER",
        ),
        (changed("dataCenterInfo", Value::Null), "Missing dataCenterInfo"),
        (
            changed("dataCenterInfo", json!({"@class": "x"})),
            "Missing dataCenterInfo Name",
        ),
        (
            changed("dataCenterInfo", json!({"name": "Azure"})),
            "dataCenterInfo name must be",
        ),
        (changed("ipAddr", json!("169.254.169.254")), "ipAddr: "),
        (changed("hostName", json!("rebind.example")), "hostName: "),
        (changed("port", json!(3306)), "port: "),
        (
            changed("homePageUrl", json!("javascript:alert(1)")),
            "homePageUrl: ",
        ),
        (changed("instanceId", json!("<script>")), "instanceId must be"),
        (
            changed("leaseInfo", json!({"durationInSecs": 0})),
            "durationInSecs is out of range",
        ),
    ] {
        let answer = server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await;
        assert_eq!(answer.status(), 400, "{said}");
        let text = answer.text().await.unwrap();
        assert!(text.starts_with(said), "{text} instead of {said}");
    }
    assert!(server.listed().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_in_its_own_format() {
    let server = Server::start().await;
    for (media_type, body, said) in [
        (
            "application/json",
            "{",
            "{\"error\":\"cannot parse request body\"}",
        ),
        (
            "application/json",
            "[]",
            "{\"error\":\"cannot parse request body\"}",
        ),
        (
            "application/xml",
            "<a>",
            "<error><message>cannot parse request body</message></error>",
        ),
        (
            "application/xml",
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><instance><app>&x;</app></instance>",
            "<error><message>cannot parse request body</message></error>",
        ),
    ] {
        let request = server.request(As::User, Method::POST, "/eureka/apps/USER-SERVICE");
        let answer = request
            .header("content-type", media_type)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (400, said)
        );
    }
    let request = server.request(As::User, Method::POST, "/eureka/apps/USER-SERVICE");
    let huge = request
        .header("content-type", "application/json")
        .body("x".repeat(70_000))
        .send()
        .await
        .unwrap();
    assert_eq!(huge.status(), 413);
    server.stop().await;
}

#[tokio::test]
async fn xml_is_taken_as_well_as_json_and_shows_no_id_that_was_not_sent() {
    let server = Server::start().await;
    let document = "<instance><hostName>localhost</hostName><app>user-service</app><ipAddr>127.0.0.1</ipAddr>\
        <status>STARTING</status><port enabled=\"true\">8081</port><countryId>1</countryId>\
        <dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name></dataCenterInfo>\
        <leaseInfo><evictionDurationInSecs>90</evictionDurationInSecs></leaseInfo>\
        <metadata class=\"java.util.Collections$EmptyMap\"/></instance>";
    let request = server.request(As::User, Method::POST, "/eureka/v2/apps/USER-SERVICE");
    let answer = request
        .header("content-type", "application/xml")
        .body(document)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    let shown = server.json("/eureka/apps/USER-SERVICE/localhost").await;
    assert_eq!(shown["instance"]["status"], "STARTING");
    assert!(shown["instance"].get("instanceId").is_none());
    assert_eq!(shown["instance"]["leaseInfo"]["durationInSecs"], 90);
    server.stop().await;
}

#[tokio::test]
async fn there_are_no_scaling_groups_here() {
    let server = Server::start().await;
    assert_eq!(
        server
            .send(As::Admin, Method::PUT, "/eureka/asg/x/status?value=ENABLED")
            .await,
        400
    );
    server.stop().await;
}
