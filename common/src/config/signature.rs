//! How a service and config-server prove to each other that they know the service's secret, without sending it: what
//! listens at a wrong address learns nothing of use and cannot answer. Who can change what travels still sees it: that
//! takes TLS.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The scheme of `Authorization` by which a service asks for a signed answer.
pub const SCHEME: &str = "Signed";
/// The header of a signed answer.
pub const SIGNATURE: &str = "x-config-signature";

/// Seconds that a question is good for, either way: clocks differ.
const LIFETIME_S: i64 = 300;

/// Made of a secret that both sides know.
pub struct SigningKey(hmac::Key);

/// Who asks, when, and a number that no other question has; the answer is bound to all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The service's name.
    pub name: String,
    /// Seconds since 1970.
    asked_at: i64,
    nonce: Uuid,
}

impl SigningKey {
    /// The key that belongs to `secret`.
    pub fn new(secret: &str) -> Self {
        Self::from_hash(digest(&SHA256, secret.as_bytes()).as_ref())
    }

    /// The same, from the secret's SHA-256: whoever checks need not keep the secret.
    pub fn from_hash(hash: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, hash))
    }

    /// What goes into `Authorization` to ask `question` about `path`, which includes the query.
    pub fn authorization(&self, question: &Question, path: &str) -> String {
        let Question {
            name,
            asked_at,
            nonce,
        } = question;
        let tag = hex::encode(self.tag("question", question, (0, path), b""));
        format!("{SCHEME} {name}:{asked_at}:{nonce}:{tag}")
    }

    /// Is `tag` this key's for the question?
    pub fn knows(&self, question: &Question, path: &str, tag: &str) -> bool {
        self.verify("question", question, (0, path), (b"", tag))
    }

    /// What goes into [`SIGNATURE`] of an answer.
    pub fn sign(&self, question: &Question, (status, path): (u16, &str), body: &[u8]) -> String {
        hex::encode(self.tag("answer", question, (status, path), body))
    }

    /// Did somebody who knows the secret give this answer to this question?
    pub fn has_signed(
        &self,
        question: &Question,
        (status, path): (u16, &str),
        body: &[u8],
        tag: &str,
    ) -> bool {
        self.verify("answer", question, (status, path), (body, tag))
    }

    fn tag(&self, kind: &str, question: &Question, about: (u16, &str), body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(head(kind, question, about).as_bytes());
        context.update(body);
        context.sign()
    }

    fn verify(
        &self,
        kind: &str,
        question: &Question,
        about: (u16, &str),
        (body, tag): (&[u8], &str),
    ) -> bool {
        let message = [head(kind, question, about).as_bytes(), body].concat();
        hex::decode(tag).is_ok_and(|tag| hmac::verify(&self.0, &message, &tag).is_ok())
    }
}

/// A line for each part; none of them can hold a line break.
fn head(kind: &str, question: &Question, (status, path): (u16, &str)) -> String {
    let Question {
        name,
        asked_at,
        nonce,
    } = question;
    format!("config-server {kind} 1\n{name}\n{asked_at}\n{nonce}\n{status}\n{path}\n")
}

impl Question {
    /// A new one.
    pub fn new(name: &str, now: DateTime<Utc>) -> Self {
        Self {
            name: name.to_owned(),
            asked_at: now.timestamp(),
            nonce: Uuid::new_v4(),
        }
    }

    /// The question and its tag from a header of [`SigningKey::authorization`]. `None`: it is none, or too old.
    pub fn parse(authorization: &str, now: DateTime<Utc>) -> Option<(Self, &str)> {
        let mut parts = authorization.strip_prefix(SCHEME)?.trim_start().rsplitn(4, ':');
        let (tag, nonce, asked_at, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let question = Self {
            name: name.to_owned(),
            asked_at: asked_at.parse().ok()?,
            nonce: nonce.parse().ok()?,
        };
        let age = now.timestamp().checked_sub(question.asked_at)?;
        (age.checked_abs()? <= LIFETIME_S).then_some((question, tag))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_question_is_good_for_its_path_and_its_time() {
        let key = SigningKey::new("secret");
        let asked = Question::new("svc", NOW);
        let header = key.authorization(&asked, "/svc/default?a=b");
        let (question, tag) = Question::parse(&header, NOW).unwrap();
        assert_eq!(question, asked);
        assert!(key.knows(&question, "/svc/default?a=b", tag));
        assert!(!key.knows(&question, "/other/default?a=b", tag));
        assert!(!SigningKey::new("other").knows(&question, "/svc/default?a=b", tag));
        let renamed = Question {
            name: "admin".to_owned(),
            ..question
        };
        assert!(!key.knows(&renamed, "/svc/default?a=b", tag));
        assert!(Question::parse(&header, NOW + TimeDelta::seconds(300)).is_some());
        for late in [301, -301] {
            assert_eq!(Question::parse(&header, NOW + TimeDelta::seconds(late)), None);
        }
        for bad in [
            "",
            "Signed",
            "Signed a:b",
            "Basic a:1:2:3",
            "Signed a:9223372036854775807:x:y",
        ] {
            assert_eq!(Question::parse(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_is_good_for_its_question_and_as_it_is() {
        let key = SigningKey::new("secret");
        let question = Question::new("svc", NOW);
        let tag = key.sign(&question, (200, "/a"), b"body");
        assert!(key.has_signed(&question, (200, "/a"), b"body", &tag));
        assert!(!key.has_signed(&question, (404, "/a"), b"body", &tag));
        assert!(!key.has_signed(&question, (200, "/b"), b"body", &tag));
        assert!(!key.has_signed(&question, (200, "/a"), b"other", &tag));
        assert!(!key.has_signed(&Question::new("svc", NOW), (200, "/a"), b"body", &tag));
        assert!(!SigningKey::new("other").has_signed(&question, (200, "/a"), b"body", &tag));
        assert!(!key.has_signed(&question, (200, "/a"), b"body", ""));
    }
}
