use chrono::TimeDelta;
use common::auth::{KeySet, RevocationFeed, Revocations, RevokedSession, Role};
use common::clock::Clock;
use common::config::from_yaml;
use common::ids::UserId;
use common_testing::TokenMint;

use super::*;
use crate::config::{Config, DEFAULTS, Quota};
use crate::limits::Class;

struct Bench {
    tokens: Tokens,
    mint: TokenMint,
    clock: Clock,
    checks: Failures,
}

fn bench() -> Bench {
    bench_that_hears(Revocations::local())
}

fn bench_that_hears(revocations: Revocations) -> Bench {
    let live = from_yaml::<Config>("api-gateway", &[DEFAULTS]).expect("good defaults");
    let clock = Clock::fixed(chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("an instant"));
    let mint = TokenMint::new(clock.clone());
    let verifier = Verifier::new(
        live.core().auth.clone(),
        "api-gateway",
        mint.keys(),
        revocations,
        clock.clone(),
    );
    let quota = Quota {
        per_minute: 1.try_into().expect("not zero"),
        burst: 3.try_into().expect("not zero"),
    };
    Bench {
        tokens: Tokens::new(verifier, 100),
        mint,
        clock,
        checks: Failures::new(Class::new(quota, 1.0).expect("a quota")),
    }
}

impl Bench {
    async fn holder(&self, token: &str) -> Result<Role, Unknown> {
        self.tokens
            .holder(token, &self.checks, CallerKey(1))
            .await
            .map(|claims| claims.role)
    }
}

#[tokio::test]
async fn good_tokens_cost_nothing_and_bad_ones_do() {
    let bench = bench();
    let token = bench.mint.access(UserId::generate(), Role::Doctor);
    for _ in 0..20 {
        let fresh = bench.mint.access(UserId::generate(), Role::Doctor);
        assert_eq!(bench.holder(&fresh).await.expect("a good token"), Role::Doctor);
        assert_eq!(bench.holder(&token).await.expect("a good token"), Role::Doctor);
    }
    for _ in 0..3 {
        assert!(matches!(
            bench.holder("a.b.c").await,
            Err(Unknown::Refused(Refusal::Invalid, _))
        ));
    }
    assert!(matches!(bench.holder("a.b.c").await, Err(Unknown::TooMany(_))));
    let fresh = bench.mint.access(UserId::generate(), Role::Patient);
    assert!(
        matches!(bench.holder(&fresh).await, Err(Unknown::TooMany(_))),
        "not looked at any more"
    );
    assert!(bench.holder(&token).await.is_ok(), "whoever is known goes on");
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let bench = bench();
    let _ = bench.holder("a.b.c").await;
    assert_eq!(bench.tokens.known.len(), 0);
}

#[tokio::test]
async fn expiry_counts_for_known_tokens() {
    let bench = bench();
    let token = bench.mint.access(UserId::generate(), Role::Patient);
    bench.holder(&token).await.expect("a good token");
    bench.clock.advance(TimeDelta::seconds(304));
    bench.holder(&token).await.expect("within the leeway");
    bench.clock.advance(TimeDelta::seconds(1));
    assert!(matches!(
        bench.holder(&token).await,
        Err(Unknown::Refused(Refusal::Expired, _))
    ));
}

#[tokio::test]
async fn revocation_counts_for_known_tokens() {
    let bench = bench();
    let claims = bench.mint.claims(UserId::generate(), Role::Patient);
    let token = bench.mint.sign(common::auth::ACCESS_TYPE, &claims);
    bench.holder(&token).await.expect("a good token");
    let until = bench.clock.now() + TimeDelta::hours(1);
    let feed = RevocationFeed {
        seq: 1,
        sessions: vec![RevokedSession {
            sid: claims.sid,
            until,
        }],
        ..RevocationFeed::default()
    };
    bench
        .tokens
        .verifier
        .revocations()
        .apply(&feed, bench.clock.now());
    assert!(matches!(
        bench.holder(&token).await,
        Err(Unknown::Refused(Refusal::Revoked, _))
    ));
}

#[tokio::test]
async fn a_new_key_makes_nobody_unknown() {
    let bench = bench();
    let token = bench.mint.access(UserId::generate(), Role::Patient);
    bench.holder(&token).await.expect("a good token");
    while !matches!(bench.holder("a.b.c").await, Err(Unknown::TooMany(_))) {}
    let other = TokenMint::new(Clock::System);
    let both = KeySet {
        keys: [other.key_set().keys, bench.mint.key_set().keys].concat(),
    };
    bench.tokens.verifier.keys().replace(&both);
    assert!(
        bench.holder(&token).await.is_ok(),
        "unknown, it would not be looked at"
    );
}

#[tokio::test]
async fn that_nothing_can_be_checked_counts_against_nobody() {
    let bench = bench();
    bench.tokens.verifier.keys().replace(&KeySet::default());
    for _ in 0..10 {
        assert!(matches!(
            bench.holder("a.b.c").await,
            Err(Unknown::Refused(Refusal::Unavailable, None))
        ));
    }
}

#[tokio::test]
async fn a_retired_key_retires_what_it_signed() {
    let bench = bench();
    let token = bench.mint.access(UserId::generate(), Role::Patient);
    bench.holder(&token).await.expect("a good token");
    let other = TokenMint::new(Clock::System);
    bench.tokens.verifier.keys().replace(&other.key_set());
    assert!(matches!(bench.holder(&token).await, Err(Unknown::Refused(_, _))));
    let both = KeySet {
        keys: [other.key_set().keys, bench.mint.key_set().keys].concat(),
    };
    bench.tokens.verifier.keys().replace(&both);
    assert!(
        bench.holder(&token).await.is_ok(),
        "and its return brings it back"
    );
}

#[tokio::test]
async fn before_the_feed_has_spoken_nobody_is_known() {
    let bench = bench_that_hears(Revocations::awaited());
    for role in [Role::Patient, Role::Admin] {
        let token = bench.mint.access(UserId::generate(), role);
        let refusal = bench.holder(&token).await;
        assert!(matches!(refusal, Err(Unknown::Refused(Refusal::Unavailable, _))));
    }
}

#[tokio::test]
async fn a_feed_that_went_silent_counts_for_known_tokens() {
    let bench = bench_that_hears(Revocations::awaited());
    let heard = || bench.tokens.verifier.revocations().heard(bench.clock.now());
    heard();
    let [doctor, patient] =
        [Role::Doctor, Role::Patient].map(|role| bench.mint.access(UserId::generate(), role));
    for token in [&doctor, &patient] {
        bench.holder(token).await.expect("a good token");
    }
    bench.clock.advance(TimeDelta::seconds(61));
    assert!(matches!(
        bench.holder(&doctor).await,
        Err(Unknown::Refused(Refusal::Unavailable, _))
    ));
    assert!(bench.holder(&patient).await.is_ok());
    heard();
    assert!(bench.holder(&doctor).await.is_ok());
}
