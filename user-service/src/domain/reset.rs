//! Password reset tokens: the reset's id and a MAC over it. Nothing stored can be turned into one.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::ids::UserId;
use secrecy::SecretString;
use uuid::Uuid;

use super::secrets::{equal, mac};

/// A token as somebody presented it; the MAC has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The reset that it claims.
    pub reset: Uuid,
    mac: [u8; 32],
}

/// The token of `reset` for `user`.
pub fn token(key: &hmac::Key, reset: Uuid, user: UserId) -> SecretString {
    let mut bytes = reset.as_bytes().to_vec();
    bytes.extend(mac_of(key, reset, user));
    URL_SAFE_NO_PAD.encode(bytes).into()
}

impl Presented {
    /// Read a token; `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (reset, mac) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            reset: Uuid::from_bytes(*reset),
            mac: mac.try_into().ok()?,
        })
    }

    /// Whether it is the one that we made for `user`.
    pub fn is_of(&self, key: &hmac::Key, user: UserId) -> bool {
        equal(&self.mac, &mac_of(key, self.reset, user))
    }
}

fn mac_of(key: &hmac::Key, reset: Uuid, user: UserId) -> [u8; 32] {
    mac(key, &[reset.as_bytes(), user.uuid().as_bytes()])
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_good_for_one_reset_of_one_user() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
        let (reset, user) = (Uuid::now_v7(), UserId::generate());
        let good = Presented::parse(token(&key, reset, user).expose_secret()).unwrap();
        assert!(good.is_of(&key, user));
        assert!(!good.is_of(&key, UserId::generate()));
        assert!(
            !Presented {
                reset: Uuid::now_v7(),
                ..good.clone()
            }
            .is_of(&key, user)
        );
        assert!(!good.is_of(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), user));
        for bad in ["", "abc", &"A".repeat(63), &"A".repeat(65)] {
            assert_eq!(Presented::parse(bad), None);
        }
    }
}
