//! Who may write: credentials, what each permits, and how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::actor::Power;
use crate::domain::names::AppName;

const SHORTEST_SECRET: usize = 16;

/// The credentials that are known, by the hash of their secrets.
#[derive(Clone, Default)]
pub struct Credentials(Arc<[Credential]>);

struct Credential {
    name: Arc<str>,
    power: Power,
    secret: [u8; 32],
}

impl Credentials {
    /// Read `name:secret,name:secret`.
    pub fn parse(text: Option<&SecretString>) -> Result<Self, &'static str> {
        let text = text.map(ExposeSecret::expose_secret).unwrap_or_default();
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let list = pairs.map(Credential::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(list.into()))
    }

    /// The name and power behind the value of an `Authorization` header.
    pub fn identify(&self, authorization: &str) -> Option<(Arc<str>, Power)> {
        let encoded = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?
            .1;
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let sent: [u8; 32] = Sha256::digest(secret).into();
        // Every credential is compared, so that the time taken tells nothing about names.
        let mut found = None;
        for known in self.0.iter() {
            let same_secret = bool::from(known.secret.ct_eq(&sent));
            if same_secret && *known.name == *name {
                found = Some((Arc::clone(&known.name), known.power));
            }
        }
        found
    }
}

impl Credential {
    fn parse(pair: &str) -> Result<Self, &'static str> {
        let (name, secret) = pair.split_once(':').ok_or("each must be name:secret")?;
        AppName::parse(name).map_err(|_| "a name must be a service's name")?;
        if secret.len() < SHORTEST_SECRET {
            return Err("a secret must have at least 16 characters");
        }
        let power = match name {
            "admin" => Power::Everything,
            "discovery-server" => Power::Replication,
            _ => Power::OwnApplication,
        };
        Ok(Self {
            name: name.into(),
            power,
            secret: Sha256::digest(secret).into(),
        })
    }
}

/// How many registrations each credential has made in the running minute.
pub struct Budget {
    per_minute: u32,
    spent: Mutex<HashMap<Arc<str>, (i64, u32)>>,
}

impl Budget {
    /// Nothing spent yet.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            spent: Mutex::default(),
        }
    }

    /// Spend one; false if there is none left.
    pub fn take(&self, name: &Arc<str>, now: DateTime<Utc>) -> bool {
        let minute = now.timestamp().div_euclid(60);
        // Only names of known credentials come here, so the map stays as small as their list.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, count) = spent.entry(Arc::clone(name)).or_insert((minute, 0));
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        *count += 1;
        *count <= self.per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "user-service:0123456789abcdef:x, admin:fedcba9876543210,discovery-server:aaaaaaaaaaaaaaaa";

    fn identify(name: &str, secret: &str) -> Option<(String, Power)> {
        let header = format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")));
        let found = Credentials::parse(Some(&LIST.into())).unwrap().identify(&header);
        found.map(|(name, power)| (name.to_string(), power))
    }

    #[test]
    fn a_credential_gives_its_power_and_no_other_does() {
        let own = Some(("user-service".to_owned(), Power::OwnApplication));
        assert_eq!(identify("user-service", "0123456789abcdef:x"), own);
        assert_eq!(
            identify("admin", "fedcba9876543210").unwrap().1,
            Power::Everything
        );
        assert_eq!(
            identify("discovery-server", "aaaaaaaaaaaaaaaa").unwrap().1,
            Power::Replication
        );
        for (name, secret) in [
            ("user-service", "0123456789abcdef"),
            ("user-service", ""),
            ("user-service", "fedcba9876543210"),
            ("USER-SERVICE", "0123456789abcdef:x"),
            ("admin", "0123456789abcdef:x"),
            ("", ""),
        ] {
            assert_eq!(identify(name, secret), None, "{name}:{secret}");
        }
    }

    #[test]
    fn what_is_no_basic_header_identifies_nobody() {
        let credentials = Credentials::parse(Some(&LIST.into())).unwrap();
        for header in ["", "Basic", "Basic !!!", "Bearer YWRtaW46", "Basic YWRtaW4="] {
            assert!(credentials.identify(header).is_none(), "{header}");
        }
        assert!(Credentials::parse(None).unwrap().identify("Basic Og==").is_none());
    }

    #[test]
    fn broken_lists_are_refused() {
        for bad in [
            "admin",
            "admin:short",
            "a b:0123456789abcdef",
            ":0123456789abcdef",
        ] {
            assert!(Credentials::parse(Some(&bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_budget_is_full_again_in_the_next_minute() {
        let (budget, name) = (Budget::new(2), Arc::from("a"));
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let taken: Vec<_> = [0, 10, 59, 60]
            .map(|second| budget.take(&name, at(second)))
            .into();
        assert_eq!(taken, [true, true, false, true]);
        assert!(budget.take(&Arc::from("b"), at(59)), "others have their own");
    }
}
