//! Signing keys: made, published, rotated, withdrawn.

use chrono::TimeDelta;
use common::clock::Clock;
use common_testing::{As, mysql_database};
use serde_json::{Value, json};
use user_service::MIGRATOR;

use crate::helpers::{TestApp, assemble};

async fn kids(app: &TestApp) -> Vec<String> {
    let set: Value = app
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200)
        .json();
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid(token: &str) -> String {
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("EdDSA"), &json!("at+jwt"))
    );
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_key_set_has_public_halves_only() {
    let app = TestApp::start().await;
    let set: Value = app
        .client
        .get("/.well-known/jwks.json", As::Anyone)
        .await
        .expect(200)
        .json();
    let key = &set["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"), &json!("EdDSA"))
    );
    assert!(key.get("d").is_none());
    let user = app.patient("ann").await;
    assert_eq!(kids(&app).await, [kid(&user.access)]);
    let sealed: Vec<Vec<u8>> = sqlx::query_scalar("select private_sealed from signing_keys")
        .fetch_all(&app.db)
        .await
        .unwrap();
    // Every PKCS#8 Ed25519 key holds its algorithm's object identifier.
    assert!(
        !sealed[0]
            .windows(5)
            .any(|bytes| bytes == [0x06, 0x03, 0x2b, 0x65, 0x70]),
        "stored in the clear"
    );
}

#[tokio::test]
async fn instances_that_start_together_make_one_key_and_one_administrator() {
    let db = mysql_database(&MIGRATOR).await;
    let starts = (0..6).map(|_| {
        let (core, state) = assemble(db.clone(), "", Clock::System);
        async move {
            drop(user_service::start(&state).await.unwrap());
            core.background.stop();
        }
    });
    futures_util::future::join_all(starts).await;
    let keys: i64 = sqlx::query_scalar("select count(*) from signing_keys")
        .fetch_one(&db)
        .await
        .unwrap();
    let admins: i64 = sqlx::query_scalar("select count(*) from users")
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!((keys, admins), (1, 1));
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_are_over() {
    let app = TestApp::start_with_clock().await;
    let admin = app.admin().await;
    let old = kid(&admin.access);
    app.client
        .post("/keys/rotate", &admin.access, &json!({}))
        .await
        .expect(200);
    let both = kids(&app).await;
    assert_eq!(both.len(), 2);
    assert_eq!(
        kid(&app.admin().await.access),
        old,
        "published, but not signing yet"
    );
    app.advance(TimeDelta::seconds(30));
    let with_old = admin.access.clone();
    let fresh = app.admin().await;
    assert_ne!(kid(&fresh.access), old);
    assert!(
        app.accepts(&with_old).await && app.accepts(&fresh.access).await,
        "both are good"
    );
    app.advance(TimeDelta::seconds(361));
    assert_eq!(kids(&app).await, [kid(&fresh.access)], "the old one is gone");
    app.login(&admin.email, crate::helpers::ADMIN_PASSWORD).await;
}

#[tokio::test]
async fn rotating_under_load_fails_no_request() {
    let app = TestApp::start_with("signing_key: {lead_s: 3}", Clock::System).await;
    let elsewhere = app.another_instance().await;
    let user = app.patient("ann").await;
    let admin = app.admin().await;
    let load = async {
        let begun = std::time::Instant::now();
        let (mut token, mut refused, mut served, mut seen) =
            (user.refresh.clone(), 0, 0, std::collections::BTreeSet::new());
        while begun.elapsed().as_secs() < 6 {
            let answer = app.refresh(&token).await.expect(200).json();
            token = crate::helpers::text(&answer["refresh_token"]);
            let access = crate::helpers::text(&answer["access_token"]);
            seen.insert(kid(&access));
            for instance in [&app, &elsewhere] {
                served += 1;
                refused += usize::from(!instance.accepts(&access).await);
            }
        }
        (served, refused, seen.len())
    };
    let rotate = async {
        app.client
            .post("/keys/rotate", &admin.access, &json!({}))
            .await
            .expect(200);
    };
    let ((served, refused, keys), ()) = tokio::join!(load, rotate);
    assert!(served > 20);
    assert_eq!(refused, 0, "of {served}");
    assert_eq!(keys, 2, "the new key signed");
}

#[tokio::test]
async fn a_key_in_wrong_hands_goes_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.client
        .post("/keys/rotate?withdraw=true", &admin.access, &json!({}))
        .await
        .expect(200);
    assert_eq!(kids(&app).await.len(), 1);
    assert!(
        !app.accepts(&admin.access).await,
        "what the old key signed is worth nothing"
    );
    let fresh = app.admin().await;
    assert!(app.accepts(&fresh.access).await);
    let before = kids(&app).await;
    app.client
        .post("/keys/rotate", &fresh.access, &json!({"withdraw": true}))
        .await
        .expect(422);
    assert_eq!(
        kids(&app).await,
        before,
        "a wish in the wrong place changes nothing"
    );
    app.client
        .post("/keys/rotate?withdraw=perhaps", &fresh.access, &json!({}))
        .await
        .expect(422);
}

#[tokio::test]
async fn age_rotates() {
    let app = TestApp::start_with_clock().await;
    let before = kids(&app).await;
    app.advance(TimeDelta::days(30));
    common_testing::eventually("a new key", || async {
        (kids(&app).await != before).then_some(())
    })
    .await;
    app.patient("ann").await;
}

#[tokio::test]
async fn the_newest_key_comes_first() {
    let app = TestApp::start_with_clock().await;
    let admin = app.admin().await;
    let mut newest = kids(&app).await;
    for _ in 0..3 {
        app.advance(TimeDelta::seconds(1));
        app.client
            .post("/keys/rotate", &admin.access, &json!({}))
            .await
            .expect(200);
        let now = kids(&app).await;
        assert_eq!(
            now[1..],
            newest,
            "the new one stands before those that were there"
        );
        newest = now;
    }
}

#[tokio::test]
async fn another_master_key_is_refused_at_the_start() {
    let app = TestApp::start().await;
    let other = "master: {key: \"HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}";
    let (_core, state) = assemble(app.db.clone(), other, Clock::System);
    let error = user_service::start(&state).await.unwrap_err();
    assert!(format!("{error:#}").contains("MASTER_KEY"), "{error:#}");
}
