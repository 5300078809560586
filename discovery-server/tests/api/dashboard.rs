//! The pages for people.

use reqwest::Method;
use serde_json::json;

use crate::helpers::{As, Server, instance};

async fn page(server: &Server, path: &str) -> String {
    let answer = server.get(path).await;
    assert_eq!(answer.status(), 200);
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    answer.text().await.unwrap()
}

#[tokio::test]
async fn the_page_tells_what_is_well_what_is_not_and_who_left_and_why() {
    let server = Server::start().await;
    assert!(page(&server, "/").await.contains("Nobody has registered yet."));
    let mut document = instance("USER-SERVICE", "first");
    document["instance"]["statusPageUrl"] = json!("http://127.0.0.1:8081/actuator/info");
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        204
    );
    let well = page(&server, "/").await;
    for told in [
        "All well: 1 of 1 instances up",
        "USER-SERVICE",
        "first",
        "heard 0 s ago of 15 s",
        "href=\"http://127.0.0.1:8081/actuator/info\"",
        "user-service",
    ] {
        assert!(well.contains(told), "{told} not in {well}");
    }
    server
        .send(
            As::Admin,
            Method::PUT,
            "/eureka/apps/USER-SERVICE/first/status?value=OUT_OF_SERVICE",
        )
        .await;
    let bad = page(&server, "/").await;
    assert!(bad.contains("1 application without a working instance") && bad.contains("by an operator"));
    server
        .send(As::Admin, Method::DELETE, "/eureka/apps/USER-SERVICE/first")
        .await;
    for path in ["/", "/lastn", "/eureka/lastn"] {
        let gone = page(&server, path).await;
        assert!(
            gone.contains("was removed") && gone.contains("admin at 127.0.0.1"),
            "{gone}"
        );
    }
    assert!(page(&server, "/lastn").await.contains("registered as UP"));
    server.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_not_up_is_a_warning_and_one_taken_out_on_purpose_is_not() {
    let server = Server::start().await;
    for id in ["a", "b"] {
        server.register(As::User, "USER-SERVICE", id).await;
    }
    let verdict = async |status: &str| {
        let mut document = instance("USER-SERVICE", "b");
        document["instance"]["status"] = json!(status);
        let path = "/eureka/apps/USER-SERVICE";
        assert_eq!(server.post(As::User, path, &document).await.status(), 204);
        page(&server, "/").await
    };
    for status in ["DOWN", "STARTING"] {
        let shown = verdict(status).await;
        assert!(
            shown.contains("verdict warn")
                && shown.contains("1 instance not up")
                && !shown.contains("All well"),
            "{status}: {shown}"
        );
    }
    let shown = verdict("OUT_OF_SERVICE").await;
    assert!(
        shown.contains("verdict good") && shown.contains("1 of 2 instances up, 1 out of service"),
        "{shown}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_application_that_lost_its_last_instance_does_not_just_vanish() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let mut document = instance("NOTIFICATION-SERVICE", "only");
    document["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 1, "durationInSecs": 1});
    let path = "/eureka/apps/NOTIFICATION-SERVICE";
    assert_eq!(server.post(As::Notification, path, &document).await.status(), 204);
    let is_lost = async || {
        let shown = page(&server, "/").await;
        shown.contains("verdict bad")
            && shown.contains("NOTIFICATION-SERVICE is gone: its last instance was evicted")
    };
    crate::helpers::eventually("the loss is told", &is_lost).await;
    let shown = page(&server, "/").await;
    assert!(shown.contains("id=\"app-NOTIFICATION-SERVICE\"") && shown.contains(">GONE<"));
    server
        .register(As::Notification, "NOTIFICATION-SERVICE", "another")
        .await;
    assert!(!is_lost().await, "it is back");
    server
        .send(
            As::Notification,
            Method::DELETE,
            "/eureka/apps/NOTIFICATION-SERVICE/another",
        )
        .await;
    assert!(!is_lost().await, "who leaves is not lost");
    server.stop().await;
}

#[tokio::test]
async fn silent_instances_that_are_kept_are_told_from_those_that_are_heard() {
    let server = Server::start().await;
    for number in 0..5 {
        let mut document = instance("USER-SERVICE", &format!("silent-{number}"));
        document["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 1, "durationInSecs": 2});
        let path = "/eureka/apps/USER-SERVICE";
        assert_eq!(server.post(As::User, path, &document).await.status(), 204);
    }
    crate::helpers::eventually("all of them are silent", || async {
        let shown = page(&server, "/").await;
        let told = [
            "verdict warn",
            ">SILENT 5<",
            "5 silent instances of USER-SERVICE kept",
            "<dt>Lease expiration</dt><dd>put off for USER-SERVICE</dd>",
        ];
        told.iter().all(|told| shown.contains(told))
    })
    .await;
    assert_eq!(server.json("/eureka/status").await["isHeathly"], false);
    server.stop().await;
}

#[tokio::test]
async fn the_page_tells_of_the_server_and_of_zones() {
    let server = Server::with("discovery: {environment: staging, data_center: north}").await;
    for (id, zone) in [("a", "one"), ("b", "two"), ("c", "one")] {
        let mut document = instance("USER-SERVICE", id);
        document["instance"]["metadata"] = json!({"zone": zone});
        let path = "/eureka/apps/USER-SERVICE";
        assert_eq!(server.post(As::User, path, &document).await.status(), 204);
    }
    let shown = page(&server, "/").await;
    for told in [
        "zones one (2), two (1)",
        "<dt>Environment</dt><dd>staging</dd>",
        "<dt>Data centre</dt><dd>north</dd>",
        "<dt>Lease expiration</dt><dd>enabled</dd>",
        "<dt>Renewals in the last minute</dt><dd>0</dd>",
        // Three instances that renew every 5 s, half of them.
        "<dt>Threshold of renewals</dt><dd>18</dd>",
        "<dt>Processors</dt>",
        " MB</dd>",
    ] {
        assert!(shown.contains(told), "{told} not in {shown}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_eviction_is_told_with_its_reason() {
    let server = Server::start().await;
    let mut document = instance("USER-SERVICE", "first");
    document["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 1, "durationInSecs": 1});
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        204
    );
    // How long it had been silent when the sweep came by depends on the machine; that it had been is told.
    crate::helpers::eventually("the eviction is shown", || async {
        let shown = page(&server, "/").await;
        let Some((_, silence)) = shown.split_once("evicted: silent for ") else {
            return false;
        };
        let Some((silent_s, rest)) = silence.split_once(" s, its lease is ") else {
            return false;
        };
        silent_s.parse::<u64>().is_ok_and(|silent_s| silent_s >= 1) && rest.starts_with("1 s")
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn what_registrants_say_is_text_and_nothing_else() {
    let server = Server::start().await;
    let mut document = instance("USER-SERVICE", "a");
    document["instance"]["metadata"] = json!({"note": "<img src=x onerror=alert(1)>"});
    document["instance"]["vipAddress"] = json!("<script>alert(1)</script>");
    document["instance"]["statusPageUrl"] = json!("http://127.0.0.1:8081/?a='b'&c=<d>");
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        400
    );
    document["instance"]["statusPageUrl"] = json!("http://127.0.0.1:8081/?a='b'&c=d");
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        204
    );
    let shown = page(&server, "/").await;
    assert!(!shown.contains("<script>alert") && !shown.contains("<img"));
    assert!(
        !shown.contains("'b'&c"),
        "quotes and ampersands are escaped in attributes"
    );
    for asset in ["/dashboard.css", "/dashboard.js"] {
        assert_eq!(server.get(asset).await.status(), 200);
    }
    server.stop().await;
}
