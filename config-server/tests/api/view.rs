use serde_json::{Value, json};

use crate::helpers::{ADMIN, SVC, Server};

const FILES: &[(&str, &str)] = &[
    (
        "application.yml",
        "host: db\nlist: [a, b, c]\nlevel: {org: INFO}\n",
    ),
    (
        "svc.yml",
        "url: 'mysql://${host}:${port:3306}'\nlist: [x]\nroutes:\n- {path: /a, on: true}\n- {path: /b}\nmulti: |\n  one\n  two\n",
    ),
    ("svc-dev.yml", "level.org.deep: DEBUG\nliteral: \\${host}\n"),
    ("v2/svc.yml", "url: v2\n"),
];

#[tokio::test]
async fn json_is_nested_and_resolved() {
    let (server, _folder) = Server::serving(FILES).await;
    let answer = server.get(SVC, "/svc-dev.json").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let expected = json!({
        "host": "db",
        "url": "mysql://db:3306",
        "multi": "one\ntwo\n",
        "literal": "${host}",
        "level": {"org": "INFO", "org.deep": "DEBUG"},
        "list": ["x"],
        "routes": [{"path": "/a", "on": true}, {"path": "/b"}]
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(
        server.json(SVC, "/svc-dev.json?resolvePlaceholders=false").await["url"],
        "mysql://${host}:${port:3306}"
    );
}

#[tokio::test]
async fn yaml_says_the_same() {
    let (server, _folder) = Server::serving(FILES).await;
    let json = server.json(SVC, "/svc-dev.json").await;
    for path in ["/svc-dev.yml", "/svc-dev.yaml", "/main/svc-dev.yml"] {
        let answer = server.get(SVC, path).await.expect(200);
        assert_eq!(answer.header("content-type"), "text/plain;charset=UTF-8");
        let yaml: Value = serde_saphyr::from_str(&answer.text()).unwrap();
        assert_eq!(yaml, json, "{path}");
    }
}

#[tokio::test]
async fn properties_are_lines() {
    let (server, _folder) = Server::serving(FILES).await;
    let text = server
        .get(SVC, "/svc-default.properties")
        .await
        .expect(200)
        .text();
    for line in [
        "host: db",
        "url: mysql://db:3306",
        "list[0]: x",
        "routes[0].path: /a",
        "routes[0].on: true",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
    }
    assert!(
        !text.contains("list[1]"),
        "a list is replaced as a whole:\n{text}"
    );
}

#[tokio::test]
async fn a_label_goes_before_the_file() {
    let (server, _folder) = Server::serving(FILES).await;
    assert_eq!(server.json(SVC, "/v2/svc-default.json").await["url"], "v2");
}

#[tokio::test]
async fn other_names_are_no_views() {
    let (server, _folder) = Server::serving(FILES).await;
    for path in ["/svc.json", "/svc-dev.xml", "/svc", "/", "/svc/default.yml"] {
        server.get(ADMIN, path).await.problem(404);
    }
}

#[tokio::test]
async fn endless_placeholders_are_stopped() {
    let line = |i: usize| {
        format!(
            "k{i}: ${{k{}}}${{k{}}}
",
            i - 1,
            i - 1
        )
    };
    let bomb = (1..40).map(line).collect::<Vec<_>>().concat();
    let (server, _folder) = Server::serving(&[("svc.yml", &format!("k0: xxxxxxxxxx\n{bomb}"))]).await;
    assert_eq!(
        server.get(SVC, "/svc-default.json").await.problem(500),
        "endless-placeholders"
    );
    server.get(SVC, "/svc/default").await.expect(200);
}
