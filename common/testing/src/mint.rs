use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::{ACCESS_TYPE, AccessClaims, Jwk, KeySet, Keys, Role, SERVICE_TYPE, ServiceClaims};
use common::clock::Clock;
use common::ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use uuid::Uuid;

/// Issues tokens as user-service does, with a key of its own.
#[derive(Clone)]
pub struct TokenMint {
    key: Arc<EncodingKey>,
    public: Jwk,
    clock: Clock,
}

impl TokenMint {
    /// A mint with a fresh key, whose tokens begin at the time of `clock`.
    pub fn new(clock: Clock) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        Self::with_key(&Uuid::new_v4().to_string(), pkcs8.as_ref(), clock)
    }

    /// A mint with the key `kid`, its private half in PKCS#8.
    pub fn with_key(kid: &str, pkcs8: &[u8], clock: Clock) -> Self {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).unwrap();
        let public = Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
            kid: kid.to_owned(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
        };
        Self {
            key: Arc::new(EncodingKey::from_ed_der(pkcs8)),
            public,
            clock,
        }
    }

    /// A mint of another fleet, at the same time of day.
    #[must_use]
    pub fn stranger(&self) -> Self {
        Self::new(self.clock.clone())
    }

    /// The name of its key.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The public half, for a verifier.
    pub fn keys(&self) -> Keys {
        Keys::fixed(&self.key_set())
    }

    /// The public half as a key set document.
    pub fn key_set(&self) -> KeySet {
        KeySet {
            keys: vec![self.public.clone()],
        }
    }

    /// An access token of `user`.
    pub fn access(&self, user: UserId, role: Role) -> String {
        self.sign(ACCESS_TYPE, &self.claims(user, role))
    }

    /// The claims of a good access token, to be changed and signed by a test of refusals.
    pub fn claims(&self, user: UserId, role: Role) -> AccessClaims {
        let now = self.clock.now().timestamp();
        AccessClaims {
            iss: "healthcare".to_owned(),
            aud: "healthcare-api".to_owned(),
            sub: user,
            role,
            sid: SessionId::generate(),
            jti: Uuid::new_v4(),
            iat: now,
            nbf: now,
            exp: now + 300,
        }
    }

    /// A token with which the service `caller` may call `callee`.
    pub fn service(&self, caller: &str, callee: &str) -> String {
        let now = self.clock.now().timestamp();
        let claims = ServiceClaims {
            iss: "healthcare".to_owned(),
            aud: callee.to_owned(),
            sub: caller.to_owned(),
            jti: Uuid::new_v4(),
            iat: now,
            nbf: now,
            exp: now + 300,
        };
        self.sign(SERVICE_TYPE, &claims)
    }

    /// Sign any claims under any `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// Sign any text as header and payload.
    pub fn sign_raw(&self, header: &str, payload: &str) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let pair = Ed25519KeyPair::from_pkcs8(self.key.as_bytes()).unwrap();
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()))
        )
    }
}
