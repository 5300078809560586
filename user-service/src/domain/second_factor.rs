//! Time-based one-time codes (RFC 6238) and the recovery codes beside them.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Algorithm, Builder, Totp, TotpError};

use common::ids::UserId;

use super::secrets::{equal, mac, random};

const STEP_SECONDS: u64 = 30;
/// Recovery codes handed out at once.
pub const RECOVERY_CODES: usize = 10;
/// Without letters and digits that are misread.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A secret shared with somebody's authenticator app.
pub struct Authenticator(Totp);

impl Authenticator {
    /// A new one: 160 bits of randomness.
    pub fn generate(account: &str) -> Result<Self, TotpError> {
        Self::from_secret(&random::<20>(), account)
    }

    /// One whose secret is kept.
    pub fn from_secret(secret: &[u8], account: &str) -> Result<Self, TotpError> {
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(STEP_SECONDS)
            .with_secret(secret.to_vec())
            .with_account_name(account.replace(':', " "))
            .with_issuer(Some("Healthcare"))
            .build()?;
        Ok(Self(totp))
    }

    /// The secret to keep.
    pub fn secret(&self) -> &[u8] {
        self.0.secret().as_bytes()
    }

    /// The secret to type into an app.
    pub fn secret_text(&self) -> String {
        self.0.secret().to_base32()
    }

    /// The `otpauth://` address to show as a QR code.
    pub fn url(&self) -> Result<String, TotpError> {
        self.0.to_url()
    }

    /// The time step for which `code` is good, if it is later than `last_step`: a code is good once.
    pub fn accept(&self, code: &str, last_step: i64, now: DateTime<Utc>) -> Option<i64> {
        let time = u64::try_from(now.timestamp()).ok()?;
        let steps = [time.saturating_sub(STEP_SECONDS), time, time + STEP_SECONDS];
        let good = steps
            .into_iter()
            .filter(|time| equal(self.0.generate(*time).to_string().as_bytes(), code.as_bytes()));
        good.filter_map(|time| i64::try_from(time / STEP_SECONDS).ok())
            .find(|step| *step > last_step)
    }
}

/// A code to write down: 50 bits, as `ABCDE-FGHJK`.
pub fn recovery_code() -> SecretString {
    let letters = random::<10>().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let (head, tail) = letters.split_at(5);
    head.iter().chain(&['-']).chain(tail).collect::<String>().into()
}

/// What is stored of a recovery code: keyed, so that a stolen table cannot be searched for 50-bit codes.
pub fn recovery_hash(key: &hmac::Key, user: UserId, code: &SecretString) -> [u8; 32] {
    let bare: String = code
        .expose_secret()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    mac(
        key,
        &[user.uuid().as_bytes(), bare.to_ascii_uppercase().as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_published_vectors_hold() {
        // RFC 6238 appendix B, SHA-1, last six of the eight digits.
        let app = Authenticator::from_secret(b"12345678901234567890", "a@x.org").unwrap();
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(app.accept(code, 0, at(time)), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_short_time() {
        let app = Authenticator::from_secret(b"12345678901234567890", "a@x.org").unwrap();
        let (code, step) = ("081804", 1_111_111_109 / 30);
        assert_eq!(app.accept(code, step - 1, at(1_111_111_109)), Some(step));
        assert_eq!(app.accept(code, step, at(1_111_111_109)), None, "used");
        assert_eq!(
            app.accept(code, 0, at(1_111_111_109 + 30)),
            Some(step),
            "clocks differ"
        );
        assert_eq!(app.accept(code, 0, at(1_111_111_109 + 60)), None, "too late");
        for bad in ["", "08180", "0818040", "081804 ", "０８１８０４"] {
            assert_eq!(app.accept(bad, 0, at(1_111_111_109)), None, "{bad}");
        }
    }

    #[test]
    fn a_recovery_code_may_be_typed_carelessly() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
        let user = UserId::generate();
        let code = recovery_code();
        assert_eq!(code.expose_secret().len(), 11);
        let typed = code.expose_secret().to_lowercase().replace('-', " ").into();
        assert_eq!(
            recovery_hash(&key, user, &code),
            recovery_hash(&key, user, &typed)
        );
        assert_ne!(
            recovery_hash(&key, user, &code),
            recovery_hash(&key, UserId::generate(), &code)
        );
        assert_ne!(recovery_code().expose_secret(), code.expose_secret());
    }
}
