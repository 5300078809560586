//! What may be a password.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

/// Shortest password, in characters.
pub const MIN_LENGTH: usize = 12;
/// Longest password, in characters: nothing is ever cut off.
pub const MAX_LENGTH: usize = 128;
/// Least score of the strength estimate, of 0 to 4.
const MIN_SCORE: u8 = 3;

/// Why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_LENGTH`] characters.
    #[error("must have at least {MIN_LENGTH} characters")]
    TooShort,
    /// More than [`MAX_LENGTH`] characters.
    #[error("must have at most {MAX_LENGTH} characters")]
    TooLong,
    /// An attacker would guess it.
    #[error("is too easy to guess{0}")]
    Guessable(String),
}

/// A password in the one form that is hashed (NFC), so that every keyboard types the same one.
///
/// `None` for what can never have been accepted as a password.
pub fn normalized(raw: &SecretString) -> Option<SecretString> {
    let raw = raw.expose_secret();
    // Composing shortens text by less than this.
    if raw.len() > MAX_LENGTH * 16 {
        return None;
    }
    let text: String = raw.nfc().collect();
    (text.chars().count() <= MAX_LENGTH).then(|| text.into())
}

/// Accept a new password, or say why not. `context` are words that an attacker would try for this person.
///
/// The estimate takes a millisecond or two: not for an async worker.
pub fn accept(raw: &SecretString, context: &[&str]) -> Result<SecretString, WeakPassword> {
    let password = of_right_length(raw)?;
    let words: Vec<&str> = context
        .iter()
        .copied()
        .chain(["healthcare", "hospital", "doctor", "patient"])
        .collect();
    if is_made_of(password.expose_secret(), &words) {
        return Err(WeakPassword::Guessable(
            ": it is made of words about you".to_owned(),
        ));
    }
    let estimate = zxcvbn::zxcvbn(password.expose_secret(), &words);
    if u8::from(estimate.score()) >= MIN_SCORE {
        return Ok(password);
    }
    let reason = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    Err(WeakPassword::Guessable(
        reason.map(|r| format!(": {r}")).unwrap_or_default(),
    ))
}

/// It has some of `words`, and without them hardly anything is left of it.
fn is_made_of(password: &str, words: &[&str]) -> bool {
    let whole = password.to_lowercase();
    let mut rest = whole.clone();
    for word in words.iter().filter(|word| word.chars().count() >= 4) {
        rest = rest.replace(word, "");
    }
    rest != whole && rest.chars().filter(|c| c.is_alphanumeric()).count() < MIN_LENGTH / 2
}

/// The normalized password if its length is allowed.
pub fn of_right_length(raw: &SecretString) -> Result<SecretString, WeakPassword> {
    let password = normalized(raw).ok_or(WeakPassword::TooLong)?;
    if password.expose_secret().chars().count() < MIN_LENGTH {
        return Err(WeakPassword::TooShort);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.into()
    }

    #[test]
    fn length_counts_characters_and_nothing_is_cut() {
        let phrase = |n: usize| {
            "correct-horse-battery-staple-"
                .chars()
                .cycle()
                .take(n)
                .collect::<String>()
        };
        assert_eq!(
            accept(&secret("xK9#mQ2$vL7"), &[]).unwrap_err(),
            WeakPassword::TooShort
        );
        assert!(accept(&secret("xK9#mQ2$vL7!"), &[]).is_ok());
        assert!(accept(&secret(&phrase(128)), &[]).is_ok());
        assert_eq!(
            accept(&secret(&phrase(129)), &[]).unwrap_err(),
            WeakPassword::TooLong
        );
        assert_eq!(
            accept(&secret(&"x".repeat(1 << 20)), &[]).unwrap_err(),
            WeakPassword::TooLong
        );
    }

    #[test]
    fn composed_and_decomposed_are_one_password() {
        let composed = accept(&secret("caf\u{e9}-lantern-orbit-92"), &[]).unwrap();
        let decomposed = accept(&secret("cafe\u{301}-lantern-orbit-92"), &[]).unwrap();
        assert_eq!(composed.expose_secret(), decomposed.expose_secret());
    }

    #[test]
    fn signs_and_pictures_make_a_password_too() {
        let context = ["bartholomew", "clinic"];
        for good in ["^&*%$#@!~+=?", "🦊🌋🎻🧊🪁🦀🎲🌵🧭🪐🦔🍋"] {
            assert!(accept(&secret(good), &context).is_ok(), "{good}");
        }
        let mixed = "bartholomew^&*%$#@!";
        assert!(
            accept(&secret(mixed), &context).is_err(),
            "{mixed}: a name and signs"
        );
    }

    #[test]
    fn what_an_attacker_tries_first_is_refused() {
        for bad in [
            "password1234",
            "123456789012",
            "qwertyuiop12",
            "aaaaaaaaaaaaaaaa",
            "healthcare2024",
            "Passw0rd12345",
        ] {
            assert!(
                matches!(accept(&secret(bad), &[]), Err(WeakPassword::Guessable(_))),
                "{bad}"
            );
        }
        let context = ["bartholomew", "featherstone", "clinic"];
        for bad in [
            "bartholomewfeatherstone",
            "Featherstone-Clinic",
            "clinic.Bartholomew.2024!",
        ] {
            assert!(
                accept(&secret(bad), &context).is_err(),
                "{bad}: somebody's own name"
            );
        }
    }
}
