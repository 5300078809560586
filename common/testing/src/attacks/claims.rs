//! Claims that say too much, too little or something else, signed with our own key: J8 to J11.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::{ACCESS_TYPE, AccessClaims};
use serde_json::{Value, json};

use super::Attack;
use crate::TokenMint;

pub(super) fn attacks(mint: &TokenMint, good: &AccessClaims) -> Vec<Attack> {
    let header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": mint.kid()}).to_string();
    let whole = json!(good);
    let mut all = Vec::new();
    for (family, claim) in NAMES {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(*claim);
        all.push(Attack::bearer(
            family,
            format!("no {claim}"),
            &mint.sign(ACCESS_TYPE, &without),
        ));
    }
    let changes = [("J8", times(good)), ("J9", parties()), ("J10", rights())]
        .into_iter()
        .flat_map(|(family, changes)| {
            changes
                .into_iter()
                .map(move |(claim, value)| (family, claim, value))
        });
    for (family, claim, value) in changes {
        let mut changed = whole.clone();
        changed[claim] = value.clone();
        all.push(Attack::bearer(
            family,
            format!("{claim} = {value}"),
            &mint.sign(ACCESS_TYPE, &changed),
        ));
    }
    let texts = texts(good).into_iter().chain(sizes(&whole));
    all.extend(texts.map(|(family, why, text)| Attack::bearer(family, why, &mint.sign_raw(&header, &text))));
    all.extend(expired(mint, good));
    all.push(edited(mint, good));
    all
}

const NAMES: &[(&str, &str)] = &[
    ("J8", "exp"),
    ("J8", "nbf"),
    ("J8", "iat"),
    ("J9", "iss"),
    ("J9", "aud"),
    ("J9", "sub"),
    ("J9", "sid"),
    ("J9", "jti"),
    ("J10", "role"),
];

fn times(good: &AccessClaims) -> Vec<(&'static str, Value)> {
    let now = good.iat;
    let mut times: Vec<_> = [
        json!(null),
        json!(""),
        json!((now + 60).to_string()),
        json!(f64::from(u32::try_from(now).unwrap()) + 60.5),
        json!(f64::from(u32::try_from(now).unwrap()) + 60.0),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!((now + 60) * 1000),
        json!([now + 60]),
        json!({"at": now + 60}),
        json!(true),
        json!(now - 5),
        json!(now + 901),
        json!(now + 86_400),
    ]
    .into_iter()
    .map(|value| ("exp", value))
    .collect();
    for claim in ["nbf", "iat"] {
        let crooked = [
            json!(null),
            json!(now.to_string()),
            json!(now + 60),
            json!((now + 60) * 1000),
            json!(-1),
            json!(0.5),
            json!([now]),
            json!(false),
        ];
        times.extend(crooked.map(|value| (claim, value)));
    }
    times.push(("iat", json!(now - 86_400)));
    times
}

fn parties() -> Vec<(&'static str, Value)> {
    let crooked = [
        json!(null),
        json!(""),
        json!(1),
        json!(true),
        json!({"a": 1}),
        json!([]),
    ];
    let mut parties: Vec<_> = ["iss", "aud", "sub", "sid", "jti"]
        .iter()
        .flat_map(|claim| crooked.iter().map(move |value| (*claim, value.clone())))
        .collect();
    let iss = [
        "other",
        "healthcare/",
        "Healthcare",
        " healthcare",
        "healthcare-staging",
        "https://healthcare",
    ];
    parties.extend(iss.map(|value| ("iss", json!(value))));
    let aud = [
        "other",
        "healthcare-api/",
        "Healthcare-Api",
        "healthcare",
        "user-service",
        "api-gateway",
    ];
    parties.extend(aud.map(|value| ("aud", json!(value))));
    let sub = [
        "0",
        "-1",
        "root",
        "{}",
        "../admin",
        "user-service",
        "01890a5d-ac96-774b-bcce",
    ];
    parties.extend(sub.map(|value| ("sub", json!(value))));
    parties.extend([
        ("iss", json!(["healthcare"])),
        ("aud", json!(["healthcare-api"])),
        ("aud", json!(["healthcare-api", "other"])),
    ]);
    parties
}

fn rights() -> Vec<(&'static str, Value)> {
    let roles = [
        "admin",
        "Admin",
        "ADMIN ",
        " ADMIN",
        "ＡＤＭＩＮ",
        "ADMIN\u{0}",
        "ADMIN,PATIENT",
        "ROOT",
        "SERVICE",
        "",
    ];
    let mut rights: Vec<_> = roles.map(|role| ("role", json!(role))).into();
    rights.extend([
        ("role", json!(null)),
        ("role", json!(1)),
        ("role", json!(["ADMIN"])),
        ("role", json!({"ADMIN": null})),
        ("roles", json!(["ADMIN"])),
        ("is_admin", json!(true)),
        ("scope", json!("admin")),
        ("user", json!({"role": "ADMIN"})),
        ("realm_access", json!({"roles": ["ADMIN"]})),
        ("Role", json!("ADMIN")),
        ("act", json!({"sub": "admin"})),
    ]);
    rights
}

/// What no JSON writer would write: names twice, in both orders, and numbers beyond all numbers.
fn texts(good: &AccessClaims) -> Vec<(&'static str, String, String)> {
    let whole = json!(good).to_string();
    let first = |member: &str| whole.replacen('{', &format!("{{{member},"), 1);
    let last = |member: &str| format!("{},{member}}}", whole.trim_end_matches('}'));
    let exp = format!("\"exp\":{}", good.exp);
    let mut texts = vec![
        (
            "J8",
            "exp = 1e400".to_owned(),
            whole.replace(&exp, "\"exp\":1e400"),
        ),
        ("J8", "exp = NaN".to_owned(), whole.replace(&exp, "\"exp\":NaN")),
        (
            "J8",
            "exp = Infinity".to_owned(),
            whole.replace(&exp, "\"exp\":Infinity"),
        ),
        (
            "J8",
            "exp = 0x7fffffff".to_owned(),
            whole.replace(&exp, "\"exp\":0x7fffffff"),
        ),
        ("J11", "no object".to_owned(), format!("[{whole}]")),
        ("J11", "a list of values".to_owned(), listed(good)),
        ("J11", "two objects".to_owned(), format!("{whole}{whole}")),
        (
            "J11",
            "cut short".to_owned(),
            whole.trim_end_matches('}').to_owned(),
        ),
        ("J11", "nothing".to_owned(), String::new()),
    ];
    let doubles = [
        ("J8", r#""exp":9999999999"#.to_owned()),
        ("J8", format!("\"iat\":{}", good.iat)),
        ("J9", r#""sub":"01890a5d-ac96-774b-bcce-b302099a8057""#.to_owned()),
        ("J9", r#""aud":"other""#.to_owned()),
        ("J9", r#""iss":"other""#.to_owned()),
        ("J10", r#""role":"ADMIN""#.to_owned()),
        ("J10", r#""role":"PATIENT""#.to_owned()),
        ("J10", r#""\u0072ole":"ADMIN""#.to_owned()),
    ];
    for (family, member) in doubles {
        texts.push((family, format!("{member} first"), first(&member)));
        texts.push((family, format!("{member} last"), last(&member)));
    }
    texts
}

/// The claims without their names, in the order in which they are declared.
fn listed(good: &AccessClaims) -> String {
    let AccessClaims {
        iss,
        aud,
        sub,
        role,
        sid,
        jti,
        iat,
        nbf,
        exp,
    } = good;
    json!([iss, aud, sub, role, sid, jti, iat, nbf, exp]).to_string()
}

fn sizes(whole: &Value) -> Vec<(&'static str, String, String)> {
    let with = |member: String| format!("{},{member}}}", whole.to_string().trim_end_matches('}'));
    let nested = |depth: usize| with(format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    let many: Vec<_> = (0..1_000_000).map(|number| format!("\"{number}\":0")).collect();
    let many = many.join(",");
    vec![
        (
            "J11",
            "1 KB".to_owned(),
            with(format!("\"x\":\"{}\"", "x".repeat(1024))),
        ),
        (
            "J11",
            "16 KB".to_owned(),
            with(format!("\"x\":\"{}\"", "x".repeat(16 * 1024))),
        ),
        (
            "J11",
            "1 MB".to_owned(),
            with(format!("\"x\":\"{}\"", "x".repeat(1024 * 1024))),
        ),
        ("J11", "1000 deep".to_owned(), nested(1000)),
        ("J11", "100 000 deep".to_owned(), nested(100_000)),
        (
            "J11",
            "1000 deep and open".to_owned(),
            format!("{{\"x\":{}", "[".repeat(1000)),
        ),
        ("J11", "a million claims".to_owned(), with(many)),
    ]
}

/// Once good, and over since a second to an hour beyond what is forgiven.
fn expired(mint: &TokenMint, good: &AccessClaims) -> Vec<Attack> {
    let over = |seconds: i64| {
        let mut claims = good.clone();
        claims.exp = good.iat - 5 - seconds;
        (claims.iat, claims.nbf) = (claims.exp - 300, claims.exp - 300);
        Attack::bearer(
            "J8",
            format!("over for {seconds} s"),
            &mint.sign(ACCESS_TYPE, &claims),
        )
    };
    [0, 1, 60, 3600].map(over).into()
}

fn edited(mint: &TokenMint, good: &AccessClaims) -> Attack {
    let token = mint.sign(ACCESS_TYPE, good);
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = json!(good);
    claims["role"] = json!(if claims["role"] == "ADMIN" {
        "DOCTOR"
    } else {
        "ADMIN"
    });
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    Attack::bearer(
        "J10",
        "another role in the payload",
        &[parts[0], &payload, parts[2]].join("."),
    )
}
