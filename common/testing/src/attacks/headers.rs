//! Headers that ask for too much, all but some signed with our own key so that nothing else can be the reason: J5 to J7.

use std::net::SocketAddr;

use common::auth::{ACCESS_TYPE, AccessClaims};
use serde_json::{Value, json};

use super::Attack;
use crate::TokenMint;

pub(super) fn attacks(mint: &TokenMint, good: &AccessClaims, bait: SocketAddr) -> Vec<Attack> {
    let payload = json!(good).to_string();
    let stranger = mint.stranger();
    let mut all = Vec::new();
    for (family, changes) in [("J5", names()), ("J6", remote_keys(mint, bait)), ("J7", extras())] {
        for change in changes {
            let header = changed(mint, &change).to_string();
            let why = format!("{change:.80}");
            all.push(Attack::bearer(family, why, &mint.sign_raw(&header, &payload)));
        }
    }
    // With the key that the header brings along, as its maker would.
    for change in remote_keys(&stranger, bait) {
        let header = changed(&stranger, &change).to_string();
        let why = format!("a foreign key and {change:.80}");
        all.push(Attack::bearer("J6", why, &stranger.sign_raw(&header, &payload)));
    }
    let kid = mint.kid();
    let texts = [
        format!(r#"{{"alg":"EdDSA","alg":"EdDSA","typ":"{ACCESS_TYPE}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"none","alg":"EdDSA","typ":"{ACCESS_TYPE}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","alg":"none","typ":"{ACCESS_TYPE}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"JWT","typ":"{ACCESS_TYPE}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"{ACCESS_TYPE}","kid":"x","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"{ACCESS_TYPE}","kid":"{kid}"}} x"#),
        format!(r#"["EdDSA","{ACCESS_TYPE}","{kid}"]"#),
        format!(r#"["EdDSA","{ACCESS_TYPE}","{kid}","more"]"#),
        "\"EdDSA\"".to_owned(),
        "null".to_owned(),
    ];
    all.extend(
        texts
            .iter()
            .map(|text| Attack::bearer("J7", text.as_str(), &mint.sign_raw(text, &payload))),
    );
    all
}

fn changed(mint: &TokenMint, change: &Value) -> Value {
    let mut header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": mint.kid()});
    for (name, value) in change.as_object().unwrap() {
        header[name] = value.clone();
    }
    header
}

fn names() -> Vec<Value> {
    let texts = [
        "",
        "unknown",
        "0",
        "null",
        "../../../../dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "file:///dev/null",
        "' UNION SELECT 'k'-- ",
        "' OR 1=1 -- ",
        "$(id)",
        "`id`",
        "|id",
        "\u{0}",
        "\r\nX: y",
        "${jndi:ldap://localhost/}",
        "%00",
        "*",
        "__proto__",
    ];
    let mut names: Vec<Value> = texts.iter().map(|text| json!({"kid": text})).collect();
    names.extend([
        json!({"kid": "k".repeat(65)}),
        json!({"kid": "k".repeat(2000)}),
        json!({"kid": "k".repeat(64 * 1024)}),
        json!({"kid": 7}),
        json!({"kid": ["a"]}),
        json!({"kid": {"a": 1}}),
        json!({"kid": true}),
        json!({"kid": null}),
    ]);
    names
}

fn remote_keys(mint: &TokenMint, bait: SocketAddr) -> Vec<Value> {
    let url = format!("http://{bait}/keys.json");
    vec![
        json!({"jku": url}),
        json!({"x5u": url}),
        json!({"jku": url, "x5u": url}),
        json!({"jwk": mint.key_set().keys[0]}),
        json!({"x5c": ["MCowBQYDK2VwAyEA"]}),
        json!({"x5t": "AAAA"}),
        json!({"x5t#S256": "AAAA"}),
        json!({"iss": url}),
        json!({"kid": url}),
    ]
}

fn extras() -> Vec<Value> {
    let mut extras = vec![
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": ["unheard-of"], "unheard-of": true}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"b64": false}),
        json!({"b64": true}),
        json!({"zip": "DEF"}),
        json!({"cty": "JWT"}),
        json!({"enc": "A128GCM"}),
        json!({"epk": {}}),
        json!({"alg": ["EdDSA"]}),
        json!({"alg": null}),
        json!({"alg": 1}),
        json!({"typ": null}),
        json!({"typ": [ACCESS_TYPE]}),
    ];
    let kinds = [
        "JWT",
        "jwt",
        "refresh+jwt",
        "service+jwt",
        "reset+jwt",
        "internal+jwt",
        "verify+jwt",
        "id+jwt",
        "AT+JWT",
        "application/at+jwt",
        "at+jwt ",
        "",
    ];
    extras.extend(kinds.map(|kind| json!({"typ": kind})));
    extras
}
