//! Formats, forms, deltas.

use std::io::Read;

use reqwest::Method;
use serde_json::Value;

use crate::helpers::{As, Server, eventually, instance};

async fn fetch(server: &Server, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = server.request(As::Nobody, Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn json_is_for_those_who_ask_for_it_and_xml_for_all_others() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    for path in [
        "/eureka/apps",
        "/eureka/apps/delta",
        "/eureka/apps/USER-SERVICE",
        "/eureka/apps/USER-SERVICE/a",
        "/eureka/vips/user-service",
        "/eureka/status",
    ] {
        for accept in [
            "application/json",
            "application/json, application/*+json",
            "text/plain, application/vnd.x+json",
        ] {
            let answer = fetch(&server, path, &[("accept", accept)]).await;
            assert_eq!(
                answer.headers()["content-type"],
                "application/json",
                "{path} {accept}"
            );
            answer.json::<Value>().await.unwrap();
        }
        for headers in [&[][..], &[("accept", "*/*")], &[("accept", "application/xml")]] {
            let answer = fetch(&server, path, headers).await;
            assert_eq!(answer.headers()["content-type"], "application/xml", "{path}");
            assert!(answer.text().await.unwrap().starts_with('<'));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn compressed_and_compact_forms_are_given_on_demand() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let json = ("accept", "application/json");
    let plain = fetch(&server, "/eureka/apps", &[json])
        .await
        .text()
        .await
        .unwrap();
    for path in ["/eureka/apps", "/eureka/apps/USER-SERVICE"] {
        let answer = fetch(&server, path, &[json, ("accept-encoding", "gzip, deflate")]).await;
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let mut text = String::new();
        flate2::read::GzDecoder::new(answer.bytes().await.unwrap().as_ref())
            .read_to_string(&mut text)
            .unwrap();
        assert!(path != "/eureka/apps" || text == plain);
    }
    for path in [
        "/eureka/apps",
        "/eureka/apps/delta",
        "/eureka/vips/user-service",
        "/eureka/apps/USER-SERVICE",
        "/eureka/apps/USER-SERVICE/a",
        "/eureka/instances/a",
    ] {
        for format in [json, ("accept", "application/xml")] {
            let full = fetch(&server, path, &[format]).await.text().await.unwrap();
            assert!(full.contains("leaseInfo"), "{path}: {full}");
            let headers = [format, ("x-eureka-accept", "compact")];
            let compact = fetch(&server, path, &headers).await.text().await.unwrap();
            assert!(
                !compact.contains("leaseInfo") && compact.contains("127.0.0.1"),
                "{path}: {compact}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_has_it_already_is_not_told_again() {
    let server = Server::start().await;
    let first = fetch(&server, "/eureka/apps", &[]).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        fetch(&server, "/eureka/apps", &[("if-none-match", &tag)])
            .await
            .status(),
        304
    );
    let other_form = [("if-none-match", tag.as_str()), ("accept", "application/json")];
    assert_eq!(fetch(&server, "/eureka/apps", &other_form).await.status(), 200);
    server.register(As::User, "USER-SERVICE", "a").await;
    assert_eq!(
        fetch(&server, "/eureka/apps", &[("if-none-match", &tag)])
            .await
            .status(),
        200
    );
    server.stop().await;
}

#[tokio::test]
async fn whoever_merges_the_delta_gets_the_hash_of_the_whole() {
    let server = Server::start().await;
    for id in ["a", "b", "c"] {
        server.register(As::User, "USER-SERVICE", id).await;
    }
    server
        .send(
            As::User,
            Method::PUT,
            "/eureka/apps/USER-SERVICE/b/status?value=OUT_OF_SERVICE",
        )
        .await;
    server
        .send(As::User, Method::DELETE, "/eureka/apps/USER-SERVICE/c")
        .await;
    let delta = server.json("/eureka/apps/delta").await;
    let full = server.json("/eureka/apps").await;
    let mut merged = std::collections::BTreeMap::new();
    for change in delta["applications"]["application"][0]["instance"]
        .as_array()
        .unwrap()
    {
        let id = change["instanceId"].as_str().unwrap().to_owned();
        match change["actionType"].as_str().unwrap() {
            "DELETED" => merged.remove(&id),
            _ => merged.insert(id, change["status"].clone()),
        };
    }
    assert_eq!(
        merged
            .into_iter()
            .map(|(id, status)| (id, status.as_str().unwrap().to_owned()))
            .collect::<Vec<_>>(),
        server.listed().await
    );
    assert_eq!(full["applications"]["apps__hashcode"], "OUT_OF_SERVICE_1_UP_1_");
    assert_eq!(
        delta["applications"]["apps__hashcode"],
        full["applications"]["apps__hashcode"]
    );
    assert_eq!(full["applications"]["versions__delta"], "1");
    let version: i16 = delta["applications"]["versions__delta"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(version > 1);
    server.stop().await;
}

#[tokio::test]
async fn an_empty_registry_is_a_list_without_entries() {
    let server = Server::start().await;
    let empty = server.json("/eureka/apps/").await;
    let expected = serde_json::json!({"applications": {"versions__delta": "1", "apps__hashcode": "", "application": []}});
    assert_eq!(empty, expected);
    let nobody = server.json("/eureka/vips/nobody").await;
    assert_eq!(nobody["applications"]["application"], serde_json::json!([]));
    server.stop().await;
}

#[tokio::test]
async fn monitoring_is_there_and_counts_instances() {
    let server = Server::start().await;
    // A name of its own: all servers of this process count in one place.
    for id in ["a", "b"] {
        server.register(As::Admin, "COUNTED", id).await;
    }
    server
        .send(As::Admin, Method::PUT, "/eureka/apps/COUNTED/b/status?value=DOWN")
        .await;
    assert_eq!(server.json("/actuator/health").await["status"], "UP");
    assert_eq!(server.get("/actuator/prometheus").await.status(), 401);
    let counts = |up: u8, down: u8| {
        ["UP", "DOWN"].map(|status| {
            let count = if status == "UP" { up } else { down };
            format!("eureka_server_instances{{application=\"COUNTED\",status=\"{status}\"}} {count}\n")
        })
    };
    let told = async |wanted: [String; 2]| {
        let metrics = server.metrics().await;
        wanted.iter().all(|line| metrics.contains(line))
    };
    eventually("one of each", || told(counts(1, 1))).await;
    server
        .send(As::Admin, Method::DELETE, "/eureka/apps/COUNTED/b")
        .await;
    eventually("the one that left is not counted any more", || told(counts(1, 0))).await;
    server.stop().await;
}

#[tokio::test]
async fn callers_find_instances_by_the_names_they_serve_under() {
    let server = Server::start().await;
    let mut document = instance("USER-SERVICE", "a");
    document["instance"]["vipAddress"] = "users,people".into();
    document["instance"]["secureVipAddress"] = "secure-users".into();
    let path = "/eureka/apps/USER-SERVICE";
    assert_eq!(server.post(As::User, path, &document).await.status(), 204);
    server.register(As::Admin, "OTHER", "o").await;
    for (name, found) in [
        ("vips/users", true),
        ("vips/people", true),
        ("svips/secure-users", true),
        ("vips/secure-users", false),
        ("svips/users", false),
        ("svips/OTHER", false),
    ] {
        let list = server.json(&format!("/eureka/{name}")).await["applications"].clone();
        let ids: Vec<&Value> = list["application"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|app| app["instance"].as_array().unwrap())
            .map(|instance| &instance["instanceId"])
            .collect();
        let expected: &[&str] = if found { &["a"] } else { &[] };
        assert_eq!(ids, expected, "{name}");
        let hash = if found { "UP_1_" } else { "" };
        assert_eq!(list["apps__hashcode"], hash, "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_server_tells_what_the_original_tells_of_itself() {
    let server = Server::with("discovery: {environment: staging}").await;
    let status = server.json("/eureka/status").await;
    assert_eq!(status["isHeathly"], true);
    assert_eq!(status["instanceInfo"]["ipAddr"], "127.0.0.1");
    let general = &status["generalStats"];
    assert_eq!(general["environment"], "staging");
    for memory in ["total-avail-memory", "current-memory-usage"] {
        let told = general[memory].as_str().unwrap();
        assert!(
            told.strip_suffix("mb").unwrap().parse::<u64>().unwrap() > 0,
            "{memory}"
        );
    }
    server.stop().await;
    let alone = "discovery: {peers: ['http://discovery-server:discovery-secret@127.0.0.1:9/eureka/']}";
    let alone = Server::with(alone).await;
    assert_eq!(
        alone.json("/eureka/status").await["isHeathly"],
        false,
        "its peer is away"
    );
    alone.stop().await;
}
