use serde_json::{Value, json};

use crate::helpers::{ADMIN, Folder, SVC, Server, names};

const FILES: &[(&str, &str)] = &[
    (
        "application.yml",
        "shared: 1\nlist: [a, b]\nwho: application\n---\nspring.config.activate.on-profile: dev\nwho: document\n",
    ),
    ("application-dev.yml", "who: application-dev\n"),
    ("svc.yml", "who: svc\nport: 80\nnested: {on: true, text: 'x'}\n"),
    ("svc-dev.properties", "who=svc-dev\n"),
    ("svc-mysql.yml", "who: svc-mysql\n"),
    ("feature/x/svc.yml", "who: feature\n"),
];

#[tokio::test]
async fn the_answer_has_springs_shape() {
    let (server, folder) = Server::serving(FILES).await;
    let answer = server.get(SVC, "/svc/default").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["name", "profiles", "label", "version", "state", "propertySources"]
    );
    assert_eq!(
        (&body["name"], &body["profiles"], &body["label"]),
        (&json!("svc"), &json!(["default"]), &Value::Null)
    );
    assert_eq!(body["version"].as_str().unwrap().len(), 40);
    assert_eq!(
        names(&body, &folder),
        ["svc.yml", "application.yml (document #0)"]
    );
    let expected = json!({"who": "svc", "port": 80, "nested.on": true, "nested.text": "x"});
    assert_eq!(body["propertySources"][0]["source"], expected);
    let shared = json!({"shared": 1, "list[0]": "a", "list[1]": "b", "who": "application"});
    assert_eq!(body["propertySources"][1]["source"], shared);
}

#[tokio::test]
async fn the_strongest_source_comes_first() {
    let (server, folder) = Server::serving(FILES).await;
    let body = server.json(SVC, "/svc/dev,mysql").await;
    let expected = [
        "svc-mysql.yml",
        "svc-dev.properties",
        "application-dev.yml",
        "svc.yml",
        "application.yml (document #1)",
        "application.yml (document #0)",
    ];
    assert_eq!(names(&body, &folder), expected);
    assert_eq!(body["profiles"], json!(["dev", "mysql"]));
    for comma in ["/svc/dev%2Cmysql", "/svc/dev%2cmysql"] {
        assert_eq!(names(&server.json(SVC, comma).await, &folder), expected);
    }
}

#[tokio::test]
async fn a_label_is_a_folder_however_its_slash_is_written() {
    let (server, folder) = Server::serving(FILES).await;
    for label in ["feature%2Fx", "feature(_)x", "feature%28_%29x"] {
        let body = server.json(SVC, &format!("/svc/default/{label}")).await;
        assert_eq!(names(&body, &folder)[0], "feature/x/svc.yml", "{label}");
        assert_eq!(body["label"], "feature/x");
    }
    let body = server.json(SVC, "/svc/default/unknown").await;
    assert_eq!(
        names(&body, &folder),
        ["svc.yml", "application.yml (document #0)"]
    );
    assert_eq!(server.json(SVC, "/svc/default/").await["label"], Value::Null);
}

#[tokio::test]
async fn on_request_every_value_tells_its_origin() {
    let (server, folder) = Server::serving(FILES).await;
    let v2 = "application/vnd.spring-cloud.config-server.v2+json";
    let answer = server
        .get_with(SVC, "/svc/default", &[("accept", v2)])
        .await
        .expect(200);
    assert_eq!(answer.header("content-type"), v2);
    let value = &answer.json()["propertySources"][0]["source"]["nested.on"];
    let origin = format!("file:{}/svc.yml:3:14", folder.path().display());
    assert_eq!(*value, json!({"value": true, "origin": origin}));
    let plain = server
        .get_with(SVC, "/svc/default", &[("accept", "application/json")])
        .await
        .json();
    assert_eq!(plain["propertySources"][0]["source"]["nested.on"], true);
}

#[tokio::test]
async fn nobody_known_gets_an_empty_answer_or_404() {
    let folder = Folder::with(&[("other.yml", "a: 1")]);
    let server = Server::of(&folder, "").await;
    assert_eq!(
        server.json(ADMIN, "/nobody/default").await["propertySources"],
        json!([])
    );
    let strict = Server::of(&folder, "  accept_empty: false\n").await;
    assert_eq!(
        strict.get(ADMIN, "/nobody/default").await.problem(404),
        "not-found"
    );
}

#[tokio::test]
async fn overrides_come_first() {
    let folder = Folder::with(FILES);
    let server = Server::of(&folder, "  overrides: ['who=boss', 'a.b=x=y']\n").await;
    let body = server.json(SVC, "/svc/dev").await;
    assert_eq!(
        body["propertySources"][0],
        json!({"name": "overrides", "source": {"who": "boss", "a.b": "x=y"}})
    );
}

#[tokio::test]
async fn placeholders_are_left_to_the_client_unless_it_asks() {
    let (server, _folder) =
        Server::serving(&[("svc.yml", "a: ${b}/${c:d}\n"), ("application.yml", "b: 1\n")]).await;
    assert_eq!(
        server.value(SVC, "/svc/default", "a").await,
        Some(json!("${b}/${c:d}"))
    );
    assert_eq!(
        server
            .value(SVC, "/svc/default?resolvePlaceholders=true", "a")
            .await,
        Some(json!("1/d"))
    );
}

#[tokio::test]
async fn a_prefix_goes_before_every_path() {
    let folder = Folder::with(FILES);
    let server = Server::of(&folder, "  prefix: /config\n").await;
    assert_eq!(
        server.value(SVC, "/config/svc/default", "who").await,
        Some(json!("svc"))
    );
    server.get(SVC, "/svc/default").await.problem(404);
}

#[tokio::test]
async fn search_paths_are_looked_through() {
    let folder = Folder::with(&[
        ("apps/svc/svc.yml", "who: folder\n"),
        ("apps/other/svc.yml", "who: no\n"),
        ("svc.yml", "who: root\n"),
    ]);
    let server = Server::of(&folder, "  search_paths: ['apps/{application}']\n").await;
    assert_eq!(
        server.value(SVC, "/svc/default", "who").await,
        Some(json!("folder"))
    );
}

#[tokio::test]
async fn a_broken_file_is_reported_to_those_who_need_it() {
    let (server, _folder) = Server::serving(&[
        ("svc.yml", "password: hunter2\na: [\n"),
        ("application.yml", "b: 1\n"),
    ])
    .await;
    let answer = server.get(SVC, "/svc/default").await;
    assert_eq!(answer.problem(500), "broken-file");
    assert!(
        answer.text().contains("svc.yml") && !answer.text().contains("hunter2"),
        "{}",
        answer.text()
    );
    server.get(ADMIN, "/application/default").await.expect(200);
}
