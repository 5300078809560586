//! The ways by which configuration servers have been made to read what they should not (CVE-2019-3799, 2020-5405,
//! 2020-5410, 2026-22739, 2026-40982 and their kin), sent as raw bytes: clients tidy such paths up.

use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{ADMIN, Folder, Server, secret};

const CANARY: &str = "canary-that-nobody-may-see";

/// Ways to write "one up", "the root" or "somewhere else".
const UPS: &str = r"
    .. ../ ..%2f ..%2F %2e%2e %2e%2e%2f %252e%252e %252e%252e%252f ..%252F ..%252f..%252f ..%5c ..%255c .%2e %2e. . sub%2f.
    (_) ..(_) (_)..(_) %28_%29..%28_%29 %2f %252f sub/.. sub/../.. sub%2f..%2f.. ....// ..; ..;/ %c0%ae%c0%ae%c0%af
    %e0%80%ae ..%00 %00 ..%0d%0a file:.. file:%2f%2f classpath: http:%2f%2f127.0.0.1 %23 ..%23 \..\ ..\ ~ ${user.home}
    {application} *";

/// Where it may stand: `@`.
const TARGETS: &str = "
    /@/default /secret/@ /secret/default/@ /@secret/default /secret/@secret /secret/default/@/secret.txt
    /secret/default/main/@/secret.txt /secret/default/main/@secret.txt /secret/default/@secret.txt?useDefaultLabel
    /secret/default/@served-too/application.yml /application/default/@served-too /application/@served-too
    /@secret-default.yml /@/secret-default.yml /@/@secret-default.json";

async fn raw(server: &Server, target: &str) -> (u16, String) {
    let login = BASE64_STANDARD.encode(format!("{ADMIN}:{}", secret(ADMIN)));
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
    );
    let mut socket = TcpStream::connect(server.running.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap();
    (status, answer)
}

/// A served folder beside one that must stay unseen.
async fn beside_a_secret() -> (Server, Folder) {
    let folder = Folder::new();
    folder.write("served/application.yml", "a: 1\n");
    folder.write("served/sub/application.yml", "a: 1\n");
    for name in [
        "secret.txt",
        "secret.yml",
        "secret-default.yml",
        "served-too/application.yml",
    ] {
        folder.write(name, &format!("canary: {CANARY}\n"));
    }
    let served = folder.path().join("served");
    let settings = format!(
        "config:\n  folder: {}\n  search_paths: ['{{profile}}', '{{label}}', 'x/{{application}}']\n",
        served.display()
    );
    (Server::start(&settings).await, folder)
}

#[tokio::test]
async fn no_spelling_of_dots_and_slashes_leaves_the_root() {
    let (server, folder) = beside_a_secret().await;
    for up in UPS.split_whitespace() {
        for target in TARGETS.split_whitespace().map(|target| target.replace('@', up)) {
            let (status, answer) = raw(&server, &target).await;
            assert!(!answer.contains(CANARY), "{target} gave the secret away");
            assert!([200, 400, 403, 404].contains(&status), "{target}: {answer}");
        }
    }
    let absolute = folder
        .path()
        .join("secret.txt")
        .display()
        .to_string()
        .replace('/', "%2F");
    for target in [
        format!("/a/default/main/{absolute}"),
        format!("/a/default/{absolute}"),
        format!("/{absolute}/default"),
    ] {
        assert_eq!(raw(&server, &target).await.0, 400, "{target}");
    }
}

#[tokio::test]
async fn what_climbs_or_is_decoded_twice_is_refused() {
    let (server, _folder) = beside_a_secret().await;
    for target in [
        "/application/default/%252F..%252F",
        "/application/default/(_)(_)..(_)",
        "/application/default/main/..%252F..%252Fetc%252Fpasswd",
        "/application/default/main/%2e%2e%2fsecret.txt",
        "/application/..%2Fserved-too/main",
        "/application/x%2Fy",
        "/application/dev%23x",
        "/application/default/a%23b",
        "/application/default/main/a%00.txt",
        "/application/-dev",
        "/application/$%7Bjava.version%7D",
    ] {
        assert_eq!(raw(&server, target).await.0, 400, "{target}");
    }
}
