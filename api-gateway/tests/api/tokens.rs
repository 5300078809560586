//! Forged and crooked tokens at the edge: 401, and no service hears of them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::{ACCESS_TYPE, KeySet, Role};
use common::ids::UserId;
use common_testing::{As, Client, TokenMint};
use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{Echo, Stage};

/// Every attack as a reason and a token.
fn attacks(mint: &TokenMint) -> Vec<(String, String)> {
    let token = mint.access(UserId::generate(), Role::Patient);
    let parts: Vec<&str> = token.split('.').collect();
    let claims = json!(mint.claims(UserId::generate(), Role::Patient));
    let kid = mint.key_set().keys[0].kid.clone();
    let mut attacks = Vec::new();
    attacks.extend(algorithms(&parts, &kid));
    attacks.extend(shapes(&parts));
    attacks.extend(headers(mint, &kid, &claims));
    attacks.extend(changed_claims(mint, &claims));
    attacks.extend(bit_flips(&parts));
    attacks
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn algorithms(parts: &[&str], kid: &str) -> Vec<(String, String)> {
    let names = [
        "none", "None", "NONE", "nOnE", "none ", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
        "PS256", "PS384", "PS512", "ES256", "ES384", "ES256K", "eddsa", "Ed25519",
    ];
    let zero = URL_SAFE_NO_PAD.encode([0_u8; 64]);
    let per_name = |name: &&str| {
        let head = encode(&json!({"alg": name, "typ": ACCESS_TYPE, "kid": kid}));
        let signatures = ["", parts[2], zero.as_str()];
        signatures.map(|signature| (format!("alg {name}"), format!("{head}.{}.{signature}", parts[1])))
    };
    names.iter().flat_map(per_name).collect()
}

fn shapes(parts: &[&str]) -> Vec<(String, String)> {
    let [h, p, s] = [parts[0], parts[1], parts[2]];
    let shapes = [
        h.to_owned(),
        format!("{h}.{p}"),
        format!("{h}.{p}."),
        format!("{h}.{p}.{s}."),
        format!("{h}.{p}.{s}.{s}"),
        format!("{h}.{p}.{s}.{s}.{s}"),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        "..".to_owned(),
        format!("{h}.{p}.{s}="),
        format!("{h}.{p}.{}", &s[..s.len() - 2]),
        format!("{h}.{p}.AAAA"),
        "x".repeat(4000),
        json!({"payload": p, "protected": h, "signature": s}).to_string(),
    ];
    shapes
        .into_iter()
        .map(|token| ("shape".to_owned(), token))
        .collect()
}

fn headers(mint: &TokenMint, kid: &str, claims: &Value) -> Vec<(String, String)> {
    let changes = [
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"b64": false}),
        json!({"zip": "DEF"}),
        json!({"cty": "JWT"}),
        json!({"jku": "http://127.0.0.1:1/"}),
        json!({"x5u": "http://127.0.0.1:1/"}),
        json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}),
        json!({"x5c": ["AA=="]}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "/proc/sys/kernel/randomize_va_space"}),
        json!({"kid": "' UNION SELECT 'k'-- "}),
        json!({"kid": "$(id)"}),
        json!({"kid": "\u{0}"}),
        json!({"kid": "k".repeat(2000)}),
        json!({"kid": 7}),
        json!({"kid": ["a"]}),
        json!({"kid": null}),
        json!({"kid": "unknown"}),
        json!({"typ": "JWT"}),
        json!({"typ": "refresh+jwt"}),
        json!({"typ": "service+jwt"}),
        json!({"typ": "reset+jwt"}),
        json!({"typ": null}),
    ];
    let sign = |change: &Value| {
        let mut header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": kid});
        header
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        (
            format!("header {change:.80}"),
            mint.sign_raw(&header.to_string(), &claims.to_string()),
        )
    };
    changes.iter().map(sign).collect()
}

fn changed_claims(mint: &TokenMint, good: &Value) -> Vec<(String, String)> {
    let now = good["iat"].as_i64().unwrap();
    let mut attacks = Vec::new();
    for claim in ["iss", "aud", "sub", "role", "sid", "jti", "iat", "nbf", "exp"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(claim);
        attacks.push((format!("no {claim}"), mint.sign(ACCESS_TYPE, &without)));
    }
    let changes = [
        ("exp", json!(now - 6)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now * 1000)),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(1e300)),
        ("exp", json!([now + 60])),
        ("exp", json!(true)),
        ("exp", json!(now + 86_400)),
        ("exp", json!(null)),
        ("nbf", json!(now + 60)),
        ("nbf", json!("0")),
        ("iat", json!(now + 60)),
        ("iss", json!("")),
        ("iss", json!("Healthcare")),
        ("iss", json!("healthcare/")),
        ("iss", json!(["healthcare"])),
        ("aud", json!("")),
        ("aud", json!("other")),
        ("aud", json!(["healthcare-api"])),
        ("aud", json!(["healthcare-api", "x"])),
        ("aud", json!({"a": 1})),
        ("aud", json!("api-gateway")),
        ("sub", json!("")),
        ("sub", json!("0")),
        ("sub", json!(1)),
        ("sid", json!("")),
        ("jti", json!(7)),
        ("role", json!("admin")),
        ("role", json!("ADMIN ")),
        ("role", json!("ＡＤＭＩＮ")),
        ("role", json!(["ADMIN"])),
        ("role", json!("ROOT")),
        ("role", json!(null)),
    ];
    for (claim, value) in changes {
        let mut changed = good.clone();
        changed[claim] = value.clone();
        attacks.push((format!("{claim} = {value}"), mint.sign(ACCESS_TYPE, &changed)));
    }
    let doubled = good.to_string().replacen('{', "{\"role\":\"ADMIN\",", 1);
    let header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": mint.key_set().keys[0].kid}).to_string();
    attacks.push(("two roles".to_owned(), mint.sign_raw(&header, &doubled)));
    let deep = format!("{{\"deep\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    attacks.push(("deep".to_owned(), mint.sign_raw(&header, &deep)));
    attacks
}

fn bit_flips(parts: &[&str]) -> Vec<(String, String)> {
    let flip = |(segment, bit): (usize, u8)| {
        let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let mut bytes = URL_SAFE_NO_PAD.decode(&changed[segment]).unwrap();
        *bytes.last_mut().unwrap() ^= 1 << bit;
        changed[segment] = URL_SAFE_NO_PAD.encode(bytes);
        (format!("bit {bit} of segment {segment}"), changed.join("."))
    };
    (0..3)
        .flat_map(|segment| (0..8).map(move |bit| (segment, bit)))
        .map(flip)
        .collect()
}

#[tokio::test]
async fn no_forged_token_reaches_a_service() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let stranger = TokenMint::new(stage.core.clock.clone());
    let mut attacks = attacks(&stage.mint);
    attacks.push((
        "another fleet's key".to_owned(),
        stranger.access(UserId::generate(), Role::Admin),
    ));
    assert!(attacks.len() > 150, "{} attacks", attacks.len());
    for (why, token) in &attacks {
        let answer = stage.client.get("/users/me", token.as_str()).await;
        assert_eq!(answer.status, 401, "{why}: {}", answer.text());
        assert_eq!(answer.problem(401), "unauthorized", "{why}");
        assert!(answer.headers.contains_key("www-authenticate"), "{why}");
    }
    assert_eq!(echo.hits(), 0);
    stage
        .client
        .get("/users/me", &stage.token(Role::Patient))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_token_stands_in_one_place_in_one_form() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Admin);
    let lines = [
        String::new(),
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer{token}\r\n"),
        format!("Authorization: Bearer\t{token}\r\n"),
        format!("Authorization: Bearer  {token}\r\n"),
        format!("Authorization: Bearer {token}, Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nauthorization: Basic YTpi\r\n"),
        format!("Cookie: access_token={token}\r\n"),
        format!("Proxy-Authorization: Bearer {token}\r\n"),
        format!("X-Authorization: Bearer {token}\r\n"),
    ];
    for line in lines {
        let head = format!(
            "GET /users/me?access_token={token} HTTP/1.1\r\nHost: a\r\n{line}Connection: close\r\n\r\n"
        );
        let answer = stage.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{line}: {answer}");
    }
    let bad = format!("GET /users/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\0\r\n\r\n");
    assert!(stage.raw(bad.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert_eq!(echo.hits(), 0);
    let lower = stage
        .client
        .request(Method::GET, "/users/me", As::Anyone)
        .header("authorization", format!("bearer {token}"));
    Client::send(lower).await.expect(200);
}

#[tokio::test]
async fn a_revoked_session_ends_at_once_although_its_token_is_remembered() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let claims = stage.mint.claims(UserId::generate(), Role::Patient);
    let token = stage.mint.sign(ACCESS_TYPE, &claims);
    stage.client.get("/users/me", &token).await.expect(200);
    let until = stage.core.clock.now() + chrono::TimeDelta::minutes(5);
    let sessions = vec![common::auth::RevokedSession {
        sid: claims.sid,
        until,
    }];
    let feed = common::auth::RevocationFeed {
        seq: 1,
        sessions,
        users: Vec::new(),
    };
    stage
        .core
        .verifier
        .revocations()
        .apply(&feed, stage.core.clock.now());
    assert_eq!(
        stage.client.get("/users/me", &token).await.problem(401),
        "unauthorized"
    );
    assert_eq!(echo.hits(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_tokens_is_cut_off_before_the_signature() {
    let echo = Echo::start().await;
    let yaml = "{gateway: {tokens: {checks: {per_minute: 60, burst: 5}}, rate_limit: {scale: 1}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let known = stage.token(Role::Patient);
    stage.client.get("/users/me", &known).await.expect(200);
    let forged = TokenMint::new(stage.core.clock.clone());
    for _ in 0..5 {
        let token = forged.access(UserId::generate(), Role::Admin);
        stage.client.get("/users/me", &token).await.expect(401);
    }
    let token = forged.access(UserId::generate(), Role::Admin);
    let answer = stage.client.get("/users/me", &token).await;
    assert_eq!(answer.header("ratelimit-limit"), "5");
    assert_eq!(answer.problem(429), "rate-limited");
    assert!(answer.headers.contains_key("retry-after"));
    stage.client.get("/users/me", &known).await.expect(200);
}

#[tokio::test]
async fn a_rotation_under_load_fails_no_request_of_many_users_behind_one_address() {
    let echo = Echo::start().await;
    // Far fewer than there are users: only bad tokens may count.
    let yaml = "{gateway: {tokens: {checks: {per_minute: 60, burst: 5}}, rate_limit: {scale: 1}}}";
    let stage = Stage::at(&[echo.address], yaml);
    let next = TokenMint::new(stage.core.clock.clone());
    let tokens = |mint: &TokenMint| -> Vec<String> {
        let one = |_| mint.access(UserId::generate(), Role::Patient);
        (0..700).map(one).collect()
    };
    let (before, after) = (tokens(&stage.mint), tokens(&next));
    let all_pass = |tokens: Vec<String>| {
        let client = stage.client.clone();
        stream::iter(tokens).for_each_concurrent(32, move |token| {
            let client = client.clone();
            async move { drop(client.get("/users/me", &token).await.expect(200)) }
        })
    };
    all_pass(before.clone()).await;
    let keys = [stage.mint.key_set().keys, next.key_set().keys].concat();
    let rotate = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stage.core.verifier.keys().replace(&KeySet { keys });
    };
    tokio::join!(all_pass([before.clone(), before.clone()].concat()), rotate);
    all_pass([before, after].concat()).await;
}
