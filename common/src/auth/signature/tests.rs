//! The published vectors of Wycheproof (see `common/tests/data/README.md`), each group with its own key.

use std::io::Write;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use serde_json::Value;

use super::*;
use crate::auth::{AuthSettings, KeySet, Keys, Refusal, Revocations, Verifier};
use crate::clock::Clock;

const VECTORS: &str = include_str!("../../../tests/data/json_web_signature_test.json");

struct Case {
    name: String,
    token: String,
    valid: bool,
    key: Value,
}

fn cases() -> Vec<Case> {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let mut cases = Vec::new();
    for group in document["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            cases.push(Case {
                name: format!("{} {}", test["tcId"], test["comment"]),
                token: test["jws"].as_str().unwrap().to_owned(),
                valid: test["result"] == "valid",
                key: key.clone(),
            });
        }
    }
    assert_eq!(cases.len(), document["numberOfTests"]);
    cases
}

/// The key and its one algorithm; `None` for a key that is not for signatures, or of an algorithm that no part of
/// this program speaks.
fn key(of: &Value) -> Option<(DecodingKey, Algorithm)> {
    let algorithm = of["alg"].as_str()?.parse().ok()?;
    let jwk: Jwk = serde_json::from_value(of.clone()).ok()?;
    let signs = jwk
        .common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    signs.then_some((key, algorithm))
}

fn passes(case: &Case) -> bool {
    key(&case.key).is_some_and(|(key, algorithm)| {
        Signed::read(&case.token).is_some_and(|token| token.payload(&key, algorithm).is_some())
    })
}

fn names<'c>(cases: impl Iterator<Item = &'c Case>) -> Vec<&'c str> {
    cases.map(|case| case.name.as_str()).collect()
}

/// Only letters of the base64 of tokens, and dots.
fn is_clean(case: &Case) -> bool {
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    case.token.bytes().all(clean)
}

#[test]
fn the_published_vectors_pass_and_fail_as_they_should() {
    let cases = cases();
    let (valid, invalid): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.valid);
    // Two that are called invalid are letter by letter one that is called valid, with the same key.
    let is_twin = |case: &Case| {
        valid
            .iter()
            .any(|good| (&good.token, &good.key) == (&case.token, &case.key))
    };
    let twins = invalid.iter().filter(|case| is_twin(case)).count();
    let accepted = names(invalid.iter().copied().filter(|case| passes(case)));
    let copies = [
        "367 \"invalidBase64Padding\"",
        "370 \"invalidBase64PaddingInPayload\"",
    ];
    assert_eq!((accepted, twins), (copies.to_vec(), 2));
    // Two of P-521 are of an algorithm that is not spoken here, two have letters in them that are no base64, and two
    // name another algorithm than their key: good or not, nobody needs to take them.
    let is_spoken = |case: &&Case| {
        let named = Signed::read(&case.token).map(|token| token.header.alg);
        is_clean(case) && key(&case.key).is_some_and(|(_, algorithm)| named == Some(algorithm))
    };
    let (spoken, other): (Vec<&Case>, Vec<&Case>) = valid.iter().copied().partition(is_spoken);
    let refused = names(spoken.iter().copied().filter(|case| !passes(case)));
    assert!(refused.is_empty(), "{refused:?}");
    let accepted = names(other.iter().copied().filter(|case| passes(case)));
    assert!(accepted.is_empty(), "{accepted:?}");
    let counts = (cases.len(), invalid.len() - twins, spoken.len(), other.len());
    assert_eq!(counts, (401, 353, 40, 6));
    let _ = writeln!(
        std::io::stderr(),
        "signatures: 401 published vectors with their own keys, 353 of 355 invalid refused (2 are copies of a valid \
         one), 40 valid accepted, 6 refused that are not spoken here"
    );
}

/// EdDSA is not among those vectors: the example of RFC 8037, appendix A.4, and each of its bits.
#[test]
fn our_algorithm_takes_its_published_example_and_nothing_near_it() {
    let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let [header, payload, signature] = [
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ];
    let open = |signature: &str| {
        let token = format!("{header}.{payload}.{signature}");
        Signed::read(&token)?.payload(&key, Algorithm::EdDSA)
    };
    assert_eq!(open(signature).unwrap(), b"Example of Ed25519 signing");
    for bit in 0..512 {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&URL_SAFE_NO_PAD.encode(bytes)).is_none(), "bit {bit}");
    }
}

#[test]
fn no_published_vector_is_an_access_token() {
    let settings = AuthSettings {
        issuer: "healthcare".to_owned(),
        audience: "healthcare-api".to_owned(),
        issuer_url: "http://127.0.0.1:1".parse().unwrap(),
        jwks_url: "http://127.0.0.1:1".parse().unwrap(),
        key_refresh_s: 60,
        leeway_s: 5,
        max_lifetime_s: 900,
        revocation_max_age_s: 60,
    };
    let ours = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "kid-rsa-sign",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = Keys::fixed(&serde_json::from_str::<KeySet>(ours).unwrap());
    let verifier = Verifier::new(settings, "any", keys, Revocations::local(), Clock::System);
    let refused = cases()
        .iter()
        .filter(|case| verifier.check_access(&case.token).unwrap_err() == Refusal::Invalid)
        .count();
    assert_eq!(refused, 401);
}
