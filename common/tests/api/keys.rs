//! The key set as it may be found at its address, and who may make a service read it.

use std::time::{Duration, Instant};

use common::auth::{ACCESS_TYPE, Keys, Refusal, Revocations, Role, Verifier};
use common::background::Background;
use common::clock::Clock;
use common::http::Client;
use common::ids::UserId;
use common_testing::{TokenMint, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::helpers::{NAME, live};
use crate::issuer::{Answer, Issuer};

/// A verifier that reads its keys at `issuer`.
struct Reader {
    verifier: Verifier,
    background: Background,
}

impl Reader {
    fn of(issuer: &Issuer) -> Self {
        let live = live("{}");
        let background = Background::new();
        let url = format!("http://{}/.well-known/jwks.json", issuer.address);
        let client = Client::new(live.follow_core()).unwrap();
        let keys = Keys::from_url(client, url.parse().unwrap(), Duration::from_mins(1), &background);
        let verifier = Verifier::new(
            live.core().auth.clone(),
            NAME,
            keys,
            Revocations::local(),
            Clock::System,
        );
        Self { verifier, background }
    }

    async fn ready(issuer: &Issuer) -> Self {
        let reader = Self::of(issuer);
        eventually("keys", || async { reader.verifier.keys().ready().then_some(()) }).await;
        reader
    }

    async fn admits(&self, mint: &TokenMint) -> Result<(), Refusal> {
        let token = mint.access(UserId::generate(), Role::Patient);
        self.verifier.verify_access(&token).await.map(drop)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.background.stop();
    }
}

fn set(mints: &[&TokenMint]) -> Value {
    let keys: Vec<_> = mints.iter().flat_map(|mint| mint.key_set().keys).collect();
    json!({ "keys": keys })
}

fn mint() -> TokenMint {
    TokenMint::new(Clock::System)
}

/// `mint`'s key with some members changed.
fn changed(mint: &TokenMint, members: &Value) -> Value {
    let mut key = json!(mint.key_set().keys[0]);
    for (name, value) in members.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

#[tokio::test]
async fn ten_thousand_unknown_keys_are_not_ten_thousand_readings() {
    let mint = mint();
    let issuer = Issuer::start(Answer::Set(set(&[&mint]))).await;
    let reader = Reader::ready(&issuer).await;
    let begun = Instant::now();
    let claims = mint.claims(UserId::generate(), Role::Patient);
    for number in 0..10_000 {
        let header = json!({"alg": "EdDSA", "typ": ACCESS_TYPE, "kid": format!("unknown-{number}")});
        let token = mint.sign_raw(&header.to_string(), &json!(claims).to_string());
        let refusal = reader.verifier.verify_access(&token).await.unwrap_err();
        assert_eq!(refusal, Refusal::UnknownKey);
    }
    let fair = 2 + begun.elapsed().as_secs() / 2;
    assert!(
        issuer.asked() as u64 <= fair,
        "{} readings, {fair} were fair",
        issuer.asked()
    );
    assert_eq!(reader.admits(&mint).await, Ok(()));
}

#[tokio::test]
async fn a_crowd_at_a_slow_issuer_waits_once() {
    let (good, unknown) = (mint(), mint());
    let issuer = Issuer::start(Answer::Set(set(&[&good]))).await;
    let reader = Reader::ready(&issuer).await;
    issuer.keys(Answer::Slow);
    let (before, begun) = (issuer.asked(), Instant::now());
    let crowd = join_all((0..200).map(|_| reader.admits(&unknown))).await;
    assert!(crowd.iter().all(|answer| *answer == Err(Refusal::UnknownKey)));
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert!(
        issuer.asked() <= before + 2,
        "{} readings",
        issuer.asked() - before
    );
    // Those who hang up in the middle must not leave the next one a reading of their own.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let before = issuer.asked();
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_millis(20), reader.admits(&unknown)).await;
    }
    assert!(
        issuer.asked() <= before + 1,
        "{} readings",
        issuer.asked() - before
    );
    assert_eq!(reader.admits(&good).await, Ok(()), "who is known does not wait");
}

#[tokio::test]
async fn a_bad_answer_changes_nothing() {
    let mint = mint();
    let bad = [
        ("empty", Answer::Set(json!({"keys": []}))),
        ("no members", Answer::Set(json!({}))),
        ("a list", Answer::Set(json!([]))),
        ("an error", Answer::Status(500)),
        ("not found", Answer::Status(404)),
        ("HTML", Answer::Text("<html><body>Welcome</body></html>")),
        ("nothing", Answer::Text("")),
        ("slow", Answer::Slow),
        ("endless", Answer::Endless),
    ];
    join_all(bad.map(|(why, answer)| keeps_what_it_knew(&mint, why, answer))).await;
}

async fn keeps_what_it_knew(mint: &TokenMint, why: &str, answer: Answer) {
    let issuer = Issuer::start(Answer::Set(set(&[mint]))).await;
    let reader = Reader::ready(&issuer).await;
    issuer.keys(answer);
    let (before, begun) = (issuer.asked(), Instant::now());
    assert_eq!(
        reader.admits(&mint.stranger()).await,
        Err(Refusal::UnknownKey),
        "{why}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{why}: {:?}",
        begun.elapsed()
    );
    assert_eq!(issuer.asked(), before + 1, "{why}: it was read");
    assert_eq!(reader.admits(mint).await, Ok(()), "{why}");
}

#[tokio::test]
async fn members_that_are_no_key_of_ours_are_left_out() {
    let (good, other, third) = (mint(), mint(), mint());
    let bad = [
        ("for encryption", vec![changed(&other, &json!({"use": "enc"}))]),
        (
            "another algorithm",
            vec![changed(&other, &json!({"alg": "HS256"}))],
        ),
        ("another curve", vec![changed(&other, &json!({"crv": "X25519"}))]),
        (
            "a secret",
            vec![json!({"kty": "oct", "k": "AAAA", "kid": other.kid(), "alg": "EdDSA", "use": "sig"})],
        ),
        ("its private half", vec![changed(&other, &json!({"d": "AAAA"}))]),
        ("no point", vec![changed(&other, &json!({"x": "AA"}))]),
        (
            "an RSA key",
            vec![json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": other.kid()})],
        ),
        (
            "a name that two keys have",
            vec![
                changed(&other, &json!({})),
                changed(&third, &json!({"kid": other.kid()})),
            ],
        ),
    ];
    for (why, mut keys) in bad {
        keys.push(json!(good.key_set().keys[0]));
        let issuer = Issuer::start(Answer::Set(json!({ "keys": keys }))).await;
        let reader = Reader::ready(&issuer).await;
        assert_eq!(reader.admits(&other).await, Err(Refusal::UnknownKey), "{why}");
        assert_eq!(reader.admits(&good).await, Ok(()), "{why}");
    }
}

#[tokio::test]
async fn without_a_key_tokens_cannot_be_checked_and_a_later_one_heals_it() {
    let mint = mint();
    let issuer = Issuer::start(Answer::Set(
        json!({"keys": [changed(&mint, &json!({"d": "AAAA"}))]}),
    ))
    .await;
    let reader = Reader::of(&issuer);
    eventually("a reading", || async { (issuer.asked() > 0).then_some(()) }).await;
    assert_eq!(reader.admits(&mint).await, Err(Refusal::Unavailable));
    issuer.keys(Answer::Set(set(&[&mint])));
    eventually("keys", || async { reader.verifier.keys().ready().then_some(()) }).await;
    assert_eq!(reader.admits(&mint).await, Ok(()));
}

#[tokio::test]
async fn an_exchanged_key_ends_the_old_one() {
    let (old, new) = (mint(), mint());
    let issuer = Issuer::start(Answer::Set(set(&[&old]))).await;
    let reader = Reader::ready(&issuer).await;
    let token = old.access(UserId::generate(), Role::Patient);
    let (_, stamp) = reader.verifier.verify_signed(&token).await.unwrap();
    assert!(reader.verifier.keys().holds(stamp));
    issuer.keys(Answer::Set(set(&[&new])));
    assert_eq!(reader.admits(&new).await, Ok(()), "an unknown name makes it read");
    assert_eq!(reader.admits(&old).await, Err(Refusal::UnknownKey));
    assert!(!reader.verifier.keys().holds(stamp), "caches must hear of it");
}

#[tokio::test]
async fn the_newest_of_very_many_keys_are_kept() {
    let mints: Vec<_> = (0..33).map(|_| mint()).collect();
    let issuer = Issuer::start(Answer::Set(set(&mints.iter().collect::<Vec<_>>()))).await;
    let reader = Reader::ready(&issuer).await;
    for newest in &mints[..32] {
        assert_eq!(reader.admits(newest).await, Ok(()));
    }
    assert_eq!(reader.admits(&mints[32]).await, Err(Refusal::UnknownKey));
}
