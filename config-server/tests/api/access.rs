use common_testing::{As, Client};
use http::Method;
use serde_json::json;

use crate::helpers::{ADMIN, Folder, OTHER, SVC, Server, secret};

const FILES: &[(&str, &str)] = &[
    ("application.yml", "shared: 1\n"),
    ("svc.yml", "mine: 1\n"),
    ("svc-internal.yml", "theirs: 1\n"),
    ("other.yml", "theirs: 1\n"),
    ("other/application.yml", "theirs: 1\n"),
    ("other/note.txt", "theirs\n"),
    ("nobody.yml", "theirs: 1\n"),
    ("note.txt", "for all\n"),
];

#[tokio::test]
async fn without_a_good_credential_nothing_is_said() {
    let (server, _folder) = Server::serving(FILES).await;
    let paths = [
        "/svc/default",
        "/svc-default.json",
        "/svc/default/main/note.txt",
        "/key",
        "/encrypt/status",
        "/nobody/x/y/z",
        "/x/%252e%252e",
    ];
    for path in paths {
        let answer = server.client.get(path, As::Anyone).await;
        assert_eq!(answer.problem(401), "unauthorized", "{path}");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    for path in [
        "/encrypt",
        "/decrypt",
        "/encrypt/svc/default",
        "/decrypt/svc/default",
        "/monitor",
    ] {
        server
            .client
            .post(path, As::Anyone, &json!({}))
            .await
            .problem(401);
    }
    let other = secret(OTHER);
    let wrong = [
        ("svc", ""),
        ("svc", "changeme"),
        ("", ""),
        ("svc", &other),
        ("SVC", &secret(SVC)),
        ("svc ", &secret(SVC)),
    ];
    for (name, password) in wrong {
        let request = server
            .client
            .request(Method::GET, "/svc/default", As::Anyone)
            .basic_auth(name, Some(password));
        Client::send(request).await.problem(401);
    }
    for header in ["Basic", "Basic !!!", "Bearer abc", "Basic c3Zj", ""] {
        let request = server
            .client
            .request(Method::GET, "/svc/default", As::Anyone)
            .header("authorization", header);
        Client::send(request).await.problem(401);
    }
}

#[tokio::test]
async fn a_service_reads_its_own_and_the_shared_configuration_only() {
    let (server, _folder) = Server::serving(FILES).await;
    for path in [
        "/svc/default",
        "/application/default",
        "/svc,application/default",
        "/svc-default.json",
        "/svc/default/main/note.txt",
    ] {
        server.get(SVC, path).await.expect(200);
    }
    let theirs = [
        "/other/default",
        "/other/default/main",
        "/svc,other/default",
        "/other-default.json",
        "/other-default.yml",
        "/other-default.properties",
        "/main/other-default.json",
        "/other/default/main/note.txt",
        "/other/default/note.txt?useDefaultLabel",
        // The same files, reached by what looks like one's own name.
        "/svc/internal",
        "/svc/default,internal",
        "/svc-internal.json",
        "/svc/default/other",
        "/svc/default/main/other.yml",
        "/svc/default/main/nobody.yml",
        "/svc/internal/main/svc.yml",
        "/svc/default/other/note.txt",
        "/svc/default/main/other/note.txt",
        "/svc/default/main/other(_)note.txt",
        "/svc/default/other.yml?useDefaultLabel",
    ];
    for path in theirs {
        let answer = server.get(SVC, path).await;
        assert_eq!(answer.problem(403), "forbidden", "{path}");
        assert!(!answer.text().contains("theirs"));
        server.get(ADMIN, path).await.expect(200);
    }
}

#[tokio::test]
async fn encryption_needs_the_admin() {
    let folder = Folder::with(FILES);
    let server = Server::of(&folder, "encrypt:\n  key: 0123456789abcdef0123456789abcdef\n").await;
    for path in [
        "/encrypt",
        "/encrypt/svc/default",
        "/decrypt",
        "/decrypt/svc/default",
    ] {
        assert_eq!(
            server.post(SVC, path, "text/plain", "x").await.problem(403),
            "forbidden",
            "{path}"
        );
    }
    server
        .post(SVC, "/monitor", "application/json", "{}")
        .await
        .problem(403);
    server.get(SVC, "/encrypt/status").await.expect(200);
}

#[tokio::test]
async fn monitoring_endpoints_are_no_configuration() {
    let (server, _folder) = Server::serving(FILES).await;
    let health = server
        .client
        .get("/actuator/health", As::Anyone)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&health["status"], &health["components"]["configServer"]["status"]),
        (&json!("UP"), &json!("UP"))
    );
    server.client.get("/livez", As::Anyone).await.expect(200);
    server.client.get("/readyz", As::Anyone).await.expect(200);
    for path in ["/actuator/nothing", "/actuator/env/x", "/actuator/nothing/at/all"] {
        let status = server.get(ADMIN, path).await.status;
        assert!([401, 404].contains(&status.as_u16()), "{path}: {status}");
    }
}

#[tokio::test]
async fn weak_settings_do_not_start_the_server() {
    use common::config::from_yaml;
    use config_server::config::ConfigSettings;
    let good = format!("config: {{credentials: 'admin:{}'}}", secret(ADMIN));
    let start = |yaml: &str| {
        from_yaml::<ConfigSettings>(config_server::NAME, &[config_server::DEFAULTS, &good, yaml])
    };
    assert!(start("{}").is_ok());
    for bad in [
        "config: {credentials: null}",
        "config: {credentials: ''}",
        "config: {credentials: 'admin'}",
        "config: {credentials: 'admin:changeme'}",
        "encrypt: {key: short}",
        "encrypt: {key: ''}",
        "encrypt: {legacy_key: foo, legacy_salt: xyz}",
        "monitor: {secret: changeme}",
        "config: {backend: git}",
        "config: {backend: svn}",
        "config: {prefix: config/}",
        "config: {search_paths: ['../etc']}",
        "config: {overrides: ['novalue']}",
        "config: {refresh_interval_s: 0}",
    ] {
        assert!(start(bad).is_err(), "{bad}");
    }
}
