//! Forged and crooked tokens: every one is refused with 401 and a problem that says nothing useful to its maker.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::auth::{ACCESS_TYPE, Role};
use common::ids::UserId;
use common_testing::{As, TokenMint};
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{NAME, TestApp};

fn b64(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A good token in its three parts.
fn parts(app: &TestApp) -> [String; 3] {
    let token = app.mint.access(UserId::generate(), Role::Patient);
    let mut parts = token.split('.').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap())
}

async fn assert_refused(app: &TestApp, why: &str, token: &str) {
    let answer = app.server.client().get("/me", token).await;
    assert_eq!(answer.status, 401, "{why}: {token:.120} {}", answer.text());
    assert_eq!(answer.problem(401), "unauthorized", "{why}");
    assert!(answer.headers.contains_key("www-authenticate"), "{why}");
}

#[tokio::test]
async fn a_good_token_names_its_user() {
    let app = TestApp::start().await;
    let user = UserId::generate();
    let token = app.mint.access(user, Role::Doctor);
    let me = app.server.client().get("/me", &token).await.expect(200).json();
    assert_eq!(me, json!({ "id": user, "role": "DOCTOR" }));
}

#[tokio::test]
async fn tokens_without_our_signature_are_refused() {
    let app = TestApp::start().await;
    let [header, payload, signature] = parts(&app);
    let kid = app.mint.key_set().keys[0].kid.clone();
    let public = URL_SAFE_NO_PAD.decode(&app.mint.key_set().keys[0].x).unwrap();
    for alg in [
        "none", "None", "NONE", "nOnE", "none ", "HS256", "HS384", "HS512", "RS256", "PS256", "ES256",
        "ES256K",
    ] {
        let head = b64(&json!({"alg": alg, "typ": ACCESS_TYPE, "kid": kid}));
        for sig in [
            "",
            &signature,
            &STANDARD.encode([0u8; 64]),
            &URL_SAFE_NO_PAD.encode([0u8; 64]),
        ] {
            assert_refused(&app, alg, &format!("{head}.{payload}.{sig}")).await;
        }
        assert_refused(&app, alg, &format!("{head}.{payload}")).await;
    }
    // Key confusion: the public key as the secret of an HMAC.
    let head = b64(&json!({"alg": "HS256", "typ": ACCESS_TYPE, "kid": kid}));
    for secret in [
        public.as_slice(),
        b"",
        app.mint.key_set().keys[0].x.as_bytes(),
        kid.as_bytes(),
    ] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = aws_lc_rs::hmac::sign(&key, format!("{head}.{payload}").as_bytes());
        assert_refused(
            &app,
            "key confusion",
            &format!("{head}.{payload}.{}", URL_SAFE_NO_PAD.encode(tag)),
        )
        .await;
    }
    // Another fleet's key under our kid and under its own.
    let stranger = TokenMint::new(app.core.clock.clone());
    assert_refused(
        &app,
        "stranger",
        &stranger.access(UserId::generate(), Role::Admin),
    )
    .await;
    let [_, foreign_payload, foreign_signature] = stranger
        .access(UserId::generate(), Role::Admin)
        .split('.')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_refused(
        &app,
        "stranger under our kid",
        &format!("{header}.{foreign_payload}.{foreign_signature}"),
    )
    .await;
}

#[tokio::test]
async fn every_changed_bit_is_noticed() {
    let app = TestApp::start().await;
    let whole = parts(&app);
    for segment in 0..3 {
        for bit in 0..8 {
            let mut changed = whole.clone();
            let mut bytes = URL_SAFE_NO_PAD.decode(&changed[segment]).unwrap();
            *bytes.last_mut().unwrap() ^= 1 << bit;
            changed[segment] = URL_SAFE_NO_PAD.encode(bytes);
            assert_refused(
                &app,
                &format!("bit {bit} of segment {segment}"),
                &changed.join("."),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn other_shapes_are_no_tokens() {
    let app = TestApp::start().await;
    let [h, p, s] = parts(&app);
    let good = format!("{h}.{p}.{s}");
    let shapes = [
        h.clone(),
        format!("{h}.{p}"),
        format!("{good}."),
        format!("{good}.{s}"),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        format!("{h}.{p}."),
        "..".to_owned(),
        format!("{good}="),
        format!("{good}=="),
        good.replace('-', "+"),
        json!({"payload": p, "protected": h, "signature": s}).to_string(),
        "a".repeat(5000),
    ];
    for shape in shapes.iter().filter(|shape| **shape != good) {
        assert_refused(&app, "shape", shape).await;
    }
}

#[tokio::test]
async fn a_header_says_exactly_what_ours_say() {
    let app = TestApp::start().await;
    let kid = app.mint.key_set().keys[0].kid.clone();
    let claims = app.mint.claims(UserId::generate(), Role::Patient);
    for typ in [
        "JWT",
        "refresh+jwt",
        "service+jwt",
        "reset+jwt",
        "AT+JWT",
        "application/at+jwt",
        "",
    ] {
        assert_refused(&app, typ, &app.mint.sign(typ, &claims)).await;
    }
    // Signed with our own key, so that only the header can be the reason.
    let extra = [
        json!({"crit": ["exp"]}),
        json!({"b64": false}),
        json!({"zip": "DEF"}),
        json!({"cty": "JWT"}),
        json!({"jku": "http://127.0.0.1:1/"}),
        json!({"x5u": "http://127.0.0.1:1/"}),
        json!({"jwk": {"kty": "OKP"}}),
        json!({"x5c": ["AA=="]}),
        json!({"kid": 7}),
        json!({"kid": ["a"]}),
        json!({"kid": ""}),
        json!({"kid": null}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "' UNION SELECT 'k'-- "}),
        json!({"kid": "k".repeat(65)}),
        json!({"alg": "eddsa"}),
        json!({"alg": ["EdDSA"]}),
    ];
    for members in extra {
        let mut header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": kid});
        header
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        assert_refused(
            &app,
            &members.to_string(),
            &app.mint.sign_raw(&header.to_string(), &json!(claims).to_string()),
        )
        .await;
    }
    let doubled = format!(r#"{{"alg":"EdDSA","alg":"EdDSA","typ":"{ACCESS_TYPE}","kid":"{kid}"}}"#);
    assert_refused(
        &app,
        "doubled alg",
        &app.mint.sign_raw(&doubled, &json!(claims).to_string()),
    )
    .await;
    let plain = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": kid}).to_string();
    let good = app.mint.sign_raw(&plain, &json!(claims).to_string());
    app.server.client().get("/me", &good).await.expect(200);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn claims_are_all_there_once_and_of_their_type() {
    let app = TestApp::start().await;
    let good = json!(app.mint.claims(UserId::generate(), Role::Patient));
    let now = good["iat"].as_i64().unwrap();
    for claim in ["iss", "aud", "sub", "role", "sid", "jti", "iat", "nbf", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        assert_refused(&app, &format!("no {claim}"), &app.mint.sign(ACCESS_TYPE, &claims)).await;
        let mut claims = good.clone();
        claims[claim] = Value::Null;
        assert_refused(
            &app,
            &format!("null {claim}"),
            &app.mint.sign(ACCESS_TYPE, &claims),
        )
        .await;
    }
    let wrong = [
        ("exp", json!(now - 6)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now * 1000)),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(1e300)),
        ("exp", json!([now + 60])),
        ("exp", json!(true)),
        ("exp", json!(now + 60 * 60 * 24)),
        ("nbf", json!(now + 60)),
        ("nbf", json!("0")),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 3600)),
        ("iss", json!("")),
        ("iss", json!("Healthcare")),
        ("iss", json!("healthcare/")),
        ("iss", json!(["healthcare"])),
        ("aud", json!("")),
        ("aud", json!("other")),
        ("aud", json!(["healthcare-api"])),
        ("aud", json!(["healthcare-api", "x"])),
        ("aud", json!({"a": 1})),
        ("aud", json!("user-service")),
        ("sub", json!("")),
        ("sub", json!("0")),
        ("sub", json!(1)),
        ("sid", json!("x")),
        ("jti", json!("x")),
        ("role", json!("admin")),
        ("role", json!("ADMIN ")),
        ("role", json!("ＡＤＭＩＮ")),
        ("role", json!(["ADMIN"])),
        ("role", json!(1)),
    ];
    for (claim, value) in wrong {
        let mut claims = good.clone();
        claims[claim] = value;
        assert_refused(
            &app,
            &format!("{claim} = {}", claims[claim]),
            &app.mint.sign(ACCESS_TYPE, &claims),
        )
        .await;
    }
    let header =
        json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": app.mint.key_set().keys[0].kid}).to_string();
    let body = good.to_string();
    for doubled in [
        r#","role":"ADMIN"}"#,
        r#","exp":99999999999}"#,
        r#","sub":"01890a5d-ac96-774b-bcce-b302099a8057"}"#,
    ] {
        let payload = body.trim_end_matches('}').to_owned() + doubled;
        assert_refused(&app, doubled, &app.mint.sign_raw(&header, &payload)).await;
    }
    let deep = format!(r#"{{"x":{}"#, "[".repeat(1000));
    assert_refused(&app, "deep", &app.mint.sign_raw(&header, &deep)).await;
}

#[tokio::test]
async fn a_token_comes_only_as_one_bearer_header() {
    let app = TestApp::start().await;
    let token = app.mint.access(UserId::generate(), Role::Patient);
    let client = app.server.client();
    client
        .get(&format!("/me?access_token={token}"), As::Anyone)
        .await
        .expect(401);
    let with = |value: String| {
        client
            .request(Method::GET, "/me", As::Anyone)
            .header("authorization", value)
    };
    for value in [
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Basic {token}"),
        format!("Token {token}"),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        common_testing::Client::send(with(value)).await.expect(401);
    }
    let twice = with(format!("Bearer {token}")).header("authorization", format!("Bearer {token}"));
    common_testing::Client::send(twice).await.expect(401);
    let cookie = client
        .request(Method::GET, "/me", As::Anyone)
        .header("cookie", format!("access_token={token}"));
    common_testing::Client::send(cookie).await.expect(401);
    common_testing::Client::send(with(format!("bearer {token}")))
        .await
        .expect(200);
}

#[tokio::test]
async fn roles_and_kinds_of_token_do_not_stand_in_for_each_other() {
    let app = TestApp::start().await;
    let client = app.server.client();
    for role in [Role::Doctor, Role::Patient] {
        let answer = client
            .get("/admin", &app.mint.access(UserId::generate(), role))
            .await;
        assert_eq!(answer.problem(403), "role-not-allowed");
    }
    client
        .get("/admin", &app.mint.access(UserId::generate(), Role::Admin))
        .await
        .expect(200);

    let service = app.mint.service("notification-service", NAME);
    assert_eq!(
        client.get("/internal/thing", &service).await.expect(200).text(),
        "notification-service"
    );
    client.get("/me", &service).await.expect(401);
    let elsewhere = app.mint.service("notification-service", "user-service");
    assert_eq!(
        client.get("/internal/thing", &elsewhere).await.problem(401),
        "unauthorized"
    );
    let user = app.mint.access(UserId::generate(), Role::Admin);
    assert_eq!(
        client.get("/internal/thing", &user).await.problem(403),
        "service-only"
    );
    client.get("/internal/thing", As::Anyone).await.expect(401);
}
