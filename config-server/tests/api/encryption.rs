use serde_json::json;

use crate::helpers::{ADMIN, Folder, OTHER, SVC, Server};

const KEYS: &str = "encrypt:\n  key: 0123456789abcdef0123456789abcdef\n  legacy_key: foo\n";
const SPRING: &str = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda";
const TEXT: &str = "text/plain";
const FORM: &str = "application/x-www-form-urlencoded";

async fn server() -> Server {
    Server::of(&Folder::new(), KEYS).await
}

#[tokio::test]
async fn what_is_encrypted_can_be_decrypted() {
    let server = server().await;
    for secret in [
        "mysecret",
        "with space + and = & %41",
        "pässwörd",
        "{\"json\":1}",
        "{a:b}c",
        "line\nline",
    ] {
        let answer = server.post(ADMIN, "/encrypt", TEXT, secret).await.expect(200);
        assert_eq!(answer.header("content-type"), "text/plain;charset=UTF-8");
        let sealed = answer.text();
        assert!(sealed.starts_with("{aead:application}") && !sealed.contains(secret));
        assert_eq!(
            server
                .post(ADMIN, "/decrypt", TEXT, &sealed)
                .await
                .expect(200)
                .text(),
            secret
        );
        let marked = format!("{{cipher}}{sealed}");
        assert_eq!(
            server
                .post(ADMIN, "/decrypt/svc/default", TEXT, &marked)
                .await
                .expect(200)
                .text(),
            secret
        );
    }
}

#[tokio::test]
async fn springs_values_are_read() {
    let server = server().await;
    for (media_type, body) in [
        (TEXT, SPRING.to_owned()),
        (FORM, SPRING.to_owned()),
        (FORM, format!("{SPRING}=")),
        (TEXT, format!("{SPRING}\n")),
    ] {
        assert_eq!(
            server
                .post(ADMIN, "/decrypt", media_type, &body)
                .await
                .expect(200)
                .text(),
            "mysecret"
        );
    }
}

#[tokio::test]
async fn a_form_is_decoded() {
    let server = server().await;
    for (body, secret) in [
        ("mysecret", "mysecret"),
        ("mysecret=", "mysecret"),
        ("a%2Bb%3D", "a+b="),
        ("a&b", "a&b"),
    ] {
        let sealed = server
            .post(ADMIN, "/encrypt", FORM, body)
            .await
            .expect(200)
            .text();
        assert_eq!(
            server
                .post(ADMIN, "/decrypt", FORM, &sealed)
                .await
                .expect(200)
                .text(),
            secret
        );
    }
}

#[tokio::test]
async fn errors_are_in_springs_words() {
    let server = server().await;
    for bad in [
        "nonsense",
        &SPRING[2..],
        "{aead:application}AAAA",
        "{key:alias}abcd",
    ] {
        let answer = server.post(ADMIN, "/decrypt", TEXT, bad).await.expect(400);
        assert_eq!(
            answer.json(),
            json!({"status": "INVALID", "description": "Text not encrypted with this key"})
        );
    }
    server.post(ADMIN, "/encrypt", TEXT, "").await.problem(400);
    server
        .post(ADMIN, "/encrypt", TEXT, &"x".repeat(1 << 20))
        .await
        .problem(413);
    server
        .post(ADMIN, "/encrypt/-x/default", TEXT, "x")
        .await
        .problem(400);
    let key = server.get(ADMIN, "/key").await.expect(404).json();
    assert_eq!(
        key,
        json!({"status": "NOT_FOUND", "description": "No public key available"})
    );
    server.get(ADMIN, "/key/svc/default").await.expect(404);

    let without = Server::of(&Folder::new(), "").await;
    for answer in [
        without.get(ADMIN, "/encrypt/status").await,
        without.post(ADMIN, "/encrypt", TEXT, "x").await,
    ] {
        assert_eq!(answer.expect(404).json()["status"], "NO_KEY");
    }
    assert_eq!(server.json(SVC, "/encrypt/status").await, json!({"status": "OK"}));
}

#[tokio::test]
async fn secrets_in_files_are_decrypted_for_their_own_application() {
    let folder = Folder::new();
    let server = Server::of(&folder, KEYS).await;
    let mine = server
        .post(ADMIN, "/encrypt/svc/default", TEXT, "mine")
        .await
        .text();
    let shared = server.post(ADMIN, "/encrypt", TEXT, "shared").await.text();
    let lines = format!(
        "mine: '{{cipher}}{mine}'\nshared: '{{cipher}}{shared}'\nspring: '{{cipher}}{SPRING}'\nbad: '{{cipher}}zz'\n"
    );
    folder.write("svc.yml", &lines);
    folder.write("other.yml", &lines);
    let server = Server::of(&folder, KEYS).await;

    let source = server.json(SVC, "/svc/default").await["propertySources"][0]["source"].clone();
    assert_eq!(
        source,
        json!({"mine": "mine", "shared": "shared", "spring": "mysecret", "invalid.bad": "<n/a>"})
    );
    assert!(
        server
            .get(SVC, "/svc-default.yml")
            .await
            .text()
            .contains("mine: mine")
    );
    // The value was copied into a file of an application that it was not made for.
    let source = server.json(OTHER, "/other/default").await["propertySources"][0]["source"].clone();
    assert_eq!(
        source,
        json!({"invalid.mine": "<n/a>", "shared": "shared", "spring": "mysecret", "invalid.bad": "<n/a>"})
    );
    // The text of a file stays as it is.
    assert!(
        server
            .get(SVC, "/svc/default/main/svc.yml")
            .await
            .text()
            .contains("{cipher}")
    );

    let without = Server::of(&folder, "").await;
    assert_eq!(
        without.value(SVC, "/svc/default", "bad").await,
        Some(json!("{cipher}zz"))
    );
}
