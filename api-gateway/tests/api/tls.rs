//! TLS at the edge, with a certificate made for the test.

use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::helpers::{Echo, Stage};

/// One DER value.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut value = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..128) => value.push(short),
        Ok(longer) => value.extend([0x81, longer]),
        Err(_) => {
            value.push(0x82);
            value.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    value.extend(content);
    value
}

/// A self-signed certificate for `localhost` (RFC 5280, RFC 8410).
fn certificate(key: &Ed25519KeyPair) -> Vec<u8> {
    let algorithm = der(0x30, &[&der(0x06, &[&[0x2b, 0x65, 0x70]])]);
    let common_name = der(
        0x30,
        &[&der(0x06, &[&[0x55, 0x04, 0x03]]), &der(0x0c, &[b"localhost"])],
    );
    let name = der(0x30, &[&der(0x31, &[&common_name])]);
    let validity = der(
        0x30,
        &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])],
    );
    let public = der(
        0x30,
        &[&algorithm, &der(0x03, &[&[0], key.public_key().as_ref()])],
    );
    let names = der(0x30, &[&der(0x82, &[b"localhost"])]);
    let extension = der(0x30, &[&der(0x06, &[&[0x55, 0x1d, 0x11]]), &der(0x04, &[&names])]);
    let extensions = der(0xa3, &[&der(0x30, &[&extension])]);
    let version = der(0xa0, &[&der(0x02, &[&[2]])]);
    let serial = der(0x02, &[&[1]]);
    let body = der(
        0x30,
        &[
            &version,
            &serial,
            &algorithm,
            &name,
            &validity,
            &name,
            &public,
            &extensions,
        ],
    );
    let signature = der(0x03, &[&[0], key.sign(&body).as_ref()]);
    der(0x30, &[&body, &algorithm, &signature])
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

/// A key pair, and the same as a PEM file holds it.
fn key() -> (Ed25519KeyPair, String) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    (
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap(),
        pem("PRIVATE KEY", pkcs8.as_ref()),
    )
}

/// Two files that are gone with this.
struct Files(PathBuf);

impl Files {
    fn new(certificate: &str, key: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("gateway-tls-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("chain.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        Self(folder)
    }

    fn settings(&self) -> String {
        let path = |name: &str| self.0.join(name).display().to_string();
        format!(
            "{{gateway: {{tls: {{certificate: '{}', key: '{}'}}}}}}",
            path("chain.pem"),
            path("key.pem")
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_configured_certificate_makes_it_https_and_nothing_else() {
    let (pair, key) = key();
    let chain = certificate(&pair);
    let files = Files::new(&pem("CERTIFICATE", &chain), &key);
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], &files.settings());
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_der(&chain).unwrap()])
        .resolve("localhost", stage.address)
        .no_proxy()
        .build()
        .unwrap();
    let path = format!("https://localhost:{}/.well-known/jwks.json", stage.address.port());
    let answer = client.get(path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains(r#"["x-forwarded-proto","https"]"#)
    );
    let plain = stage.try_raw(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
}

#[tokio::test]
async fn tls_that_cannot_be_had_is_no_reason_to_speak_plainly() {
    let ((pair, _), (_, foreign)) = (key(), key());
    let good = pem("CERTIFICATE", &certificate(&pair));
    for (chain, key) in [
        (good.as_str(), foreign.as_str()),
        (&good, ""),
        ("", &foreign),
        ("nonsense", "nonsense"),
    ] {
        let files = Files::new(chain, key);
        assert!(Stage::try_at(&[], &files.settings()).is_err());
    }
    assert!(Stage::try_at(&[], "{gateway: {tls: {certificate: /nowhere/chain.pem}}}").is_err());
}
