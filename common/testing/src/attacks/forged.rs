//! Tokens without our signature, or not quite in the form in which it was made: J1 to J4, J13, J16.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::auth::{ACCESS_TYPE, AccessClaims};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Attack;
use crate::TokenMint;

/// A good token in its parts.
struct Good {
    header: String,
    payload: String,
    signature: String,
}

pub(super) fn attacks(mint: &TokenMint, claims: &AccessClaims) -> Vec<Attack> {
    let good = good(mint, claims);
    let mut all = unsigned(mint, &good);
    all.extend(shapes(&good));
    all.extend(trailing_bits(&good));
    all.extend(confusions(mint, &good));
    all.extend(other_algorithms(mint, &good));
    all.extend(crooked_points(&good));
    all.extend(strangers(mint, claims, &good));
    all.extend(bit_flips(&good));
    all
}

/// One whose signature has both letters in which the two alphabets of base64 differ.
fn good(mint: &TokenMint, claims: &AccessClaims) -> Good {
    loop {
        let mut claims = claims.clone();
        claims.jti = uuid::Uuid::new_v4();
        let token = mint.sign(ACCESS_TYPE, &claims);
        let parts: Vec<&str> = token.split('.').collect();
        if parts[2].contains('-') && parts[2].contains('_') {
            return Good {
                header: parts[0].to_owned(),
                payload: parts[1].to_owned(),
                signature: parts[2].to_owned(),
            };
        }
    }
}

fn header(mint: &TokenMint, alg: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": ACCESS_TYPE, "kid": mint.kid()}).to_string())
}

fn unsigned(mint: &TokenMint, good: &Good) -> Vec<Attack> {
    let random = URL_SAFE_NO_PAD.encode([0x5a; 64]);
    let mut all = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let message = format!("{}.{}", header(mint, alg), good.payload);
        all.push(Attack::bearer(
            "J1",
            format!("alg `{alg}`, no final dot"),
            &message,
        ));
        for signature in ["", &good.signature, &random] {
            let why = format!("alg `{alg}`, signature `{signature:.6}`");
            all.push(Attack::bearer("J1", why, &format!("{message}.{signature}")));
        }
    }
    all
}

fn shapes(good: &Good) -> Vec<Attack> {
    let Good {
        header: h,
        payload: p,
        signature: s,
    } = good;
    let whole = format!("{h}.{p}.{s}");
    let general = json!({"payload": p, "signatures": [{"protected": h, "signature": s}]});
    let flattened = json!({"payload": p, "protected": h, "signature": s});
    let shapes = [
        ("empty", String::new()),
        ("one segment", h.clone()),
        ("two segments", format!("{h}.{p}")),
        ("no signature", format!("{h}.{p}.")),
        ("an empty fourth segment", format!("{whole}.")),
        ("four segments", format!("{whole}.{s}")),
        ("five segments", format!("{whole}.{s}.{s}")),
        ("no header", format!(".{p}.{s}")),
        ("detached payload", format!("{h}..{s}")),
        ("dots", "..".to_owned()),
        ("general JSON", general.to_string()),
        ("flattened JSON", flattened.to_string()),
        ("a leading space", format!(" {whole}")),
        ("a space inside", format!("{h}.{p}. {s}")),
        ("something behind", format!("{whole} x")),
        ("padding", format!("{whole}=")),
        ("more padding", format!("{whole}==")),
        ("padding inside", format!("{h}=.{p}.{s}")),
        (
            "the other alphabet",
            format!("{h}.{p}.{}", s.replace('-', "+").replace('_', "/")),
        ),
        (
            "half of the other alphabet",
            format!("{h}.{p}.{}", s.replace('_', "/")),
        ),
        ("a short signature", format!("{h}.{p}.{}", &s[..s.len() - 2])),
        ("a long signature", format!("{h}.{p}.{s}AAAA")),
        ("quotes", format!("\"{whole}\"")),
        ("no base64", "x".repeat(4000)),
        ("a dot encoded", format!("{h}%2e{p}.{s}")),
    ];
    shapes
        .iter()
        .map(|(why, token)| Attack::bearer("J2", *why, token))
        .collect()
}

/// 64 bytes leave four bits of the last letter unused: whoever does not look at them knows sixteen tokens for one.
fn trailing_bits(good: &Good) -> Vec<Attack> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = good.signature.split_at(good.signature.len() - 1);
    let place = LETTERS
        .iter()
        .position(|letter| last.as_bytes() == [*letter])
        .unwrap();
    let changed = |bits: usize| {
        let letter = char::from(LETTERS[place | bits]);
        let token = format!("{}.{}.{start}{letter}", good.header, good.payload);
        Attack::bearer("J2", format!("unused bits {bits:04b}"), &token)
    };
    (1..16).map(changed).collect()
}

/// What a verifier might take for the secret of an HMAC, because everybody can know it.
fn known_secrets(mint: &TokenMint) -> Vec<(&'static str, Vec<u8>)> {
    let set = mint.key_set();
    let raw = URL_SAFE_NO_PAD.decode(&set.keys[0].x).unwrap();
    // SubjectPublicKeyInfo of an Ed25519 key: this, then the key.
    let der = [hex("302a300506032b6570032100"), raw.clone()].concat();
    let body = STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
    let mut secrets = vec![
        ("PEM", pem.clone().into_bytes()),
        ("PEM and a line's end", format!("{pem}\n").into_bytes()),
        (
            "PEM with CRLF",
            format!("{pem}\n").replace('\n', "\r\n").into_bytes(),
        ),
        ("PEM's body", body.into_bytes()),
        ("DER", der),
        ("JWK", json!(set.keys[0]).to_string().into_bytes()),
        ("JWK set", json!(set).to_string().into_bytes()),
        ("x", set.keys[0].x.clone().into_bytes()),
        ("SHA-256 of the key", Sha256::digest(&raw).to_vec()),
        ("the key", raw),
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("kid", mint.kid().as_bytes().to_vec()),
        ("issuer", b"healthcare".to_vec()),
    ];
    let common = [
        "secret",
        "password",
        "changeme",
        "key",
        "jwt",
        "admin",
        "test",
        "default",
        "123456",
        "your-256-bit-secret",
        "my_secret_key",
        "supersecret",
        "qwerty",
        "null",
    ];
    secrets.extend(common.map(|word| ("a common word", word.as_bytes().to_vec())));
    secrets
}

fn confusions(mint: &TokenMint, good: &Good) -> Vec<Attack> {
    let algorithms = [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ];
    let mut all = Vec::new();
    for (alg, algorithm) in algorithms {
        let message = format!("{}.{}", header(mint, alg), good.payload);
        for (what, secret) in known_secrets(mint) {
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
            all.push(Attack::bearer(
                "J3",
                format!("{alg} with {what} {}", secret.len()),
                &token,
            ));
        }
    }
    all
}

fn other_algorithms(mint: &TokenMint, good: &Good) -> Vec<Attack> {
    // The last with the length that its signature has: zeros are a "psychic" one for the elliptic kinds.
    let algorithms = [
        ("RS256", 256),
        ("RS384", 256),
        ("RS512", 256),
        ("PS256", 256),
        ("PS384", 256),
        ("PS512", 256),
        ("ES256", 64),
        ("ES256K", 64),
        ("ES384", 96),
        ("ES512", 132),
        ("eddsa", 64),
        ("EDDSA", 64),
        ("Ed25519", 64),
        ("Ed448", 114),
        ("RSA-OAEP", 64),
        ("dir", 64),
    ];
    let forge = |(alg, length): &(&str, usize)| {
        let zeros = URL_SAFE_NO_PAD.encode(vec![0_u8; *length]);
        [&zeros, &good.signature].map(|signature| {
            let token = format!("{}.{}.{signature}", header(mint, alg), good.payload);
            Attack::bearer("J4", format!("{alg}, signature `{signature:.6}`"), &token)
        })
    };
    algorithms.iter().flat_map(forge).collect()
}

/// Points of small order, for which an equation without cofactor may hold by chance, and a scalar that is too large.
fn crooked_points(good: &Good) -> Vec<Attack> {
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let token = |signature: &[u8]| {
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{}.{}.{signature}", good.header, good.payload)
    };
    let with_point = |point: &&str| {
        let signature = [hex(point), vec![0; 32]].concat();
        Attack::bearer("J4", format!("small order {point:.8}"), &token(&signature))
    };
    let mut all: Vec<_> = points.iter().map(with_point).collect();
    // The order of the group, little end first: S and S + L solve the same equation.
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut signature = URL_SAFE_NO_PAD.decode(&good.signature).unwrap();
    let mut carry = 0_u16;
    for (byte, added) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(added) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    all.push(Attack::bearer("J4", "S plus the order", &token(&signature)));
    all
}

/// The same program with another key: a test's, another environment's.
fn strangers(mint: &TokenMint, claims: &AccessClaims, good: &Good) -> Vec<Attack> {
    let stranger = mint.stranger();
    let own = stranger.sign(ACCESS_TYPE, claims);
    let ours = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": mint.kid()}).to_string();
    let under_our_name = stranger.sign_raw(&ours, &json!(claims).to_string());
    let foreign = own.rsplit('.').next().unwrap();
    let mixed = format!("{}.{}.{foreign}", good.header, good.payload);
    vec![
        Attack::bearer("J13", "another key under its own name", &own),
        Attack::bearer("J13", "another key under our name", &under_our_name),
        Attack::bearer("J13", "another key's signature", &mixed),
    ]
}

fn bit_flips(good: &Good) -> Vec<Attack> {
    let flip = |(segment, bit): (usize, u8)| {
        let mut parts = [&good.header, &good.payload, &good.signature].map(String::clone);
        let mut bytes = URL_SAFE_NO_PAD.decode(&parts[segment]).unwrap();
        *bytes.last_mut().unwrap() ^= 1 << bit;
        parts[segment] = URL_SAFE_NO_PAD.encode(bytes);
        Attack::bearer("J16", format!("bit {bit} of segment {segment}"), &parts.join("."))
    };
    (0..3)
        .flat_map(|segment| (0..8).map(move |bit| (segment, bit)))
        .map(flip)
        .collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
