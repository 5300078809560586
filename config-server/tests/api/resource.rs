use std::os::unix::fs::symlink;

use crate::helpers::{ADMIN, Folder, OTHER, SVC, Server};

const FILES: &[(&str, &str)] = &[
    ("application.yml", "host: db\n"),
    ("svc.yml", "port: 1\n"),
    ("nginx.conf", "server ${host}:${port:80} \\${keep} ${nobody}\n"),
    ("nginx-dev.conf", "dev\n"),
    ("deep/er/logo.txt", "plain\n"),
    ("v2/nginx.conf", "v2\n"),
];

#[tokio::test]
async fn a_file_is_resolved_for_the_application() {
    let (server, _folder) = Server::serving(FILES).await;
    let answer = server.get(SVC, "/svc/default/main/nginx.conf").await.expect(200);
    assert_eq!(answer.text(), "server db:1 ${keep} ${nobody}\n");
    assert_eq!(answer.header("content-type"), "text/plain;charset=UTF-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(
        server.get(OTHER, "/other/default/main/nginx.conf").await.text(),
        "server db:80 ${keep} ${nobody}\n"
    );
    let raw = server
        .get(SVC, "/svc/default/main/nginx.conf?resolvePlaceholders=false")
        .await
        .text();
    assert_eq!(raw, FILES[2].1);
}

#[tokio::test]
async fn the_profiles_file_is_preferred_and_labels_and_folders_work() {
    let (server, _folder) = Server::serving(FILES).await;
    for (path, text) in [
        ("/svc/dev/main/nginx.conf", "dev\n"),
        ("/svc/prod,dev/main/nginx.conf", "dev\n"),
        ("/svc/default/v2/nginx.conf", "v2\n"),
        ("/svc/default/main/deep/er/logo.txt", "plain\n"),
        ("/svc/default/main/deep%2Fer%2Flogo.txt", "plain\n"),
        ("/svc/default/main/deep(_)er(_)logo.txt", "plain\n"),
        ("/svc/dev/nginx.conf?useDefaultLabel", "dev\n"),
        ("/svc/dev/nginx.conf?useDefaultLabel=true", "dev\n"),
        ("/svc/dev/deep/er/logo.txt?useDefaultLabel", "plain\n"),
    ] {
        assert_eq!(server.get(SVC, path).await.expect(200).text(), text, "{path}");
    }
}

#[tokio::test]
async fn bytes_on_request_and_for_what_is_no_text() {
    let (server, folder) = Server::serving(FILES).await;
    let bytes = [("accept", "application/octet-stream")];
    let answer = server
        .get_with(SVC, "/svc/default/main/nginx.conf", &bytes)
        .await
        .expect(200);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.text(), FILES[2].1);
    std::fs::write(folder.path().join("logo.png"), [0xff, 0x00, 0x80]).unwrap();
    let server = Server::of(&folder, "").await;
    assert_eq!(
        server
            .get(SVC, "/svc/default/main/logo.png")
            .await
            .expect(200)
            .body,
        [0xff, 0x00, 0x80]
    );
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let (server, _folder) = Server::serving(FILES).await;
    let plain = "/svc/default/main/deep/er/logo.txt";
    let first = server.get(SVC, plain).await.expect(200);
    let (tag, date) = (
        first.header("etag").to_owned(),
        first.header("last-modified").to_owned(),
    );
    assert!(
        server
            .get_with(SVC, plain, &[("if-none-match", &tag)])
            .await
            .expect(304)
            .body
            .is_empty()
    );
    server
        .get_with(SVC, plain, &[("if-modified-since", &date)])
        .await
        .expect(304);
    server
        .get_with(
            SVC,
            plain,
            &[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")],
        )
        .await
        .expect(200);
    server
        .get_with(
            SVC,
            plain,
            &[("if-none-match", "\"x\""), ("if-modified-since", &date)],
        )
        .await
        .expect(200);
    // Its values may change while the file does not.
    let resolved = server.get(SVC, "/svc/default/main/nginx.conf").await;
    assert!(resolved.headers.get("last-modified").is_none());
}

#[tokio::test]
async fn links_hidden_files_and_strangers_are_not_found() {
    let folder = Folder::with(FILES);
    let outside = Folder::with(&[("secret.txt", "canary"), ("svc.yml", "stolen: 1\n")]);
    symlink(outside.path().join("secret.txt"), folder.path().join("link.txt")).unwrap();
    symlink(outside.path(), folder.path().join("linked")).unwrap();
    folder.write(".git/config", "canary");
    folder.write("deep/.env", "canary");
    let server = Server::of(&folder, "").await;
    for path in [
        "link.txt",
        "linked/secret.txt",
        "nobody.txt",
        "deep",
        "deep/er",
        "svc",
    ] {
        server
            .get(ADMIN, &format!("/svc/default/main/{path}"))
            .await
            .problem(404);
    }
    for path in [".git/config", "deep/.env", "/etc/passwd"] {
        server
            .get(ADMIN, &format!("/svc/default/main/{path}"))
            .await
            .problem(400);
    }
    assert_eq!(server.value(SVC, "/svc/default/linked", "stolen").await, None);
}
