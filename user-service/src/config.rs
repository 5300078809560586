//! The typed settings; `config.default.yml` says what each is for.

use chrono::TimeDelta;
use common::auth::{AuthSettings, Role};
use common::mysql::MySqlSettings;
use secrecy::SecretString;
use serde::Deserialize;

use crate::client::Networks;
use crate::domain::throttle::Policy;

/// The defaults, the weakest layer.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// The user-service's own settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Shared by all services: what their verifiers accept.
    pub auth: AuthSettings,
    pub mysql: MySqlSettings,
    pub master: MasterSettings,
    pub service: ServiceSecrets,
    pub admin: AdminSettings,
    pub password: PasswordSettings,
    pub password_reset: PasswordResetSettings,
    pub token: TokenSettings,
    pub session: SessionSettings,
    pub signing_key: SigningKeySettings,
    pub throttle: ThrottleSettings,
    pub second_factor: SecondFactorSettings,
    pub client: ClientSettings,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MasterSettings {
    pub key: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ServiceSecrets {
    pub secrets: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct AdminSettings {
    pub email: String,
    pub password: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PasswordSettings {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub hashes_at_once: usize,
    pub queue: usize,
    pub patience_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PasswordResetSettings {
    pub life_min: i64,
    pub per_hour: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TokenSettings {
    pub access_life_s: i64,
    pub service_life_s: i64,
    pub refresh_grace_s: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SessionSettings {
    pub staff_idle_min: i64,
    pub staff_life_min: i64,
    pub patient_idle_min: i64,
    pub patient_life_min: i64,
    pub at_most: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SigningKeySettings {
    pub max_age_days: i64,
    pub lead_s: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ThrottleSettings {
    pub account_failures: u32,
    pub first_pause_s: i64,
    pub longest_pause_s: i64,
    pub forget_h: i64,
    pub address_failures: u32,
    pub address_refill_s: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SecondFactorSettings {
    pub required_for_admin: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ClientSettings {
    pub trusted_proxies: Networks,
}

impl common::config::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        let positive = self.positive();
        if let Some((key, value)) = positive.iter().find(|(_, value)| *value <= 0) {
            return Err(format!("{key} is {value}, must be more than 0"));
        }
        let longest = self.auth.max_lifetime_s;
        let refusals = [
            (
                self.signing_key.lead_s < 3,
                "signing_key.lead_s must be at least 3: every instance must know a key before it signs",
            ),
            (
                self.token.access_life_s > longest || self.token.service_life_s > longest,
                "token.access_life_s and .service_life_s must be at most auth.max_lifetime_s: no service accepts more",
            ),
            (
                self.token.refresh_grace_s < 0,
                "token.refresh_grace_s must not be negative",
            ),
            (
                self.throttle.longest_pause_s < self.throttle.first_pause_s,
                "throttle.longest_pause_s must not be less than .first_pause_s",
            ),
            (
                self.password.is_weak() && !cfg!(debug_assertions),
                "password.memory_kib must be at least 19456 and password.passes at least 2",
            ),
        ];
        match refusals.iter().find(|(refused, _)| *refused) {
            Some((_, why)) => Err((*why).to_owned()),
            None => Ok(()),
        }
    }
}

impl Settings {
    fn positive(&self) -> [(&'static str, i64); 19] {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        [
            ("token.access_life_s", self.token.access_life_s),
            ("token.service_life_s", self.token.service_life_s),
            ("session.staff_idle_min", self.session.staff_idle_min),
            ("session.staff_life_min", self.session.staff_life_min),
            ("session.patient_idle_min", self.session.patient_idle_min),
            ("session.patient_life_min", self.session.patient_life_min),
            ("session.at_most", self.session.at_most),
            ("signing_key.max_age_days", self.signing_key.max_age_days),
            ("password.passes", self.password.passes.into()),
            ("password.queue", count(self.password.queue)),
            (
                "password.patience_ms",
                i64::try_from(self.password.patience_ms).unwrap_or(i64::MAX),
            ),
            ("password_reset.life_min", self.password_reset.life_min),
            ("password_reset.per_hour", self.password_reset.per_hour),
            ("throttle.account_failures", self.throttle.account_failures.into()),
            ("throttle.first_pause_s", self.throttle.first_pause_s),
            ("throttle.longest_pause_s", self.throttle.longest_pause_s),
            ("throttle.forget_h", self.throttle.forget_h),
            ("throttle.address_failures", self.throttle.address_failures.into()),
            ("throttle.address_refill_s", self.throttle.address_refill_s),
        ]
    }
}

impl PasswordSettings {
    /// Weaker than what is recommended against a stolen table.
    fn is_weak(&self) -> bool {
        self.memory_kib < 19_456 || self.passes < 2
    }
}

impl SessionSettings {
    /// How long a session of `role` lives unused, and altogether.
    pub fn limits(&self, role: Role) -> (TimeDelta, TimeDelta) {
        match role {
            Role::Patient => (
                TimeDelta::minutes(self.patient_idle_min),
                TimeDelta::minutes(self.patient_life_min),
            ),
            Role::Admin | Role::Doctor => (
                TimeDelta::minutes(self.staff_idle_min),
                TimeDelta::minutes(self.staff_life_min),
            ),
        }
    }
}

impl ThrottleSettings {
    /// For one account.
    pub fn account(&self) -> Policy {
        Policy::Backoff {
            limit: self.account_failures,
            first: TimeDelta::seconds(self.first_pause_s),
            longest: TimeDelta::seconds(self.longest_pause_s),
            forget: TimeDelta::hours(self.forget_h),
        }
    }

    /// For one network address.
    pub fn address(&self) -> Policy {
        Policy::Bucket {
            burst: self.address_failures,
            refill: TimeDelta::seconds(self.address_refill_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_cost_an_attacker_little_are_weak() {
        let settings = |memory_kib, passes| PasswordSettings {
            memory_kib,
            passes,
            lanes: 1,
            hashes_at_once: 1,
            queue: 1,
            patience_ms: 1,
        };
        for (memory_kib, passes, weak) in [
            (19_456, 2, false),
            (65_536, 3, false),
            (19_455, 2, true),
            (19_456, 1, true),
        ] {
            assert_eq!(
                settings(memory_kib, passes).is_weak(),
                weak,
                "{memory_kib} KiB, {passes}"
            );
        }
    }
}
