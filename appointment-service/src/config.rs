//! The typed settings; `config.default.yml` says what each is for.

use chrono::TimeDelta;
use common::mysql::MySqlSettings;
use serde::Deserialize;

/// The defaults, the weakest layer.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// The appointment-service's own settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub mysql: MySqlSettings,
    pub booking: BookingSettings,
    pub relationship: RelationshipSettings,
    pub idempotency: IdempotencySettings,
    pub names: NameSettings,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BookingSettings {
    pub cancel_notice_min: u32,
    pub horizon_days: u32,
    pub open_per_patient: u32,
    pub made_per_day: u32,
    pub next_free: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RelationshipSettings {
    pub days_after_visit: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct IdempotencySettings {
    pub keep_h: u32,
    pub lease_s: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct NameSettings {
    pub fresh_s: u32,
}

impl common::config::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        // The upper ends keep arithmetic on dates far from where it overflows.
        let ranges = [
            (
                "booking.cancel_notice_min",
                self.booking.cancel_notice_min,
                0,
                43_200,
            ),
            ("booking.horizon_days", self.booking.horizon_days, 1, 3660),
            (
                "booking.open_per_patient",
                self.booking.open_per_patient,
                1,
                u32::MAX,
            ),
            ("booking.made_per_day", self.booking.made_per_day, 1, u32::MAX),
            (
                "relationship.days_after_visit",
                self.relationship.days_after_visit,
                0,
                36_600,
            ),
            ("idempotency.keep_h", self.idempotency.keep_h, 1, 8784),
            ("idempotency.lease_s", self.idempotency.lease_s, 1, 3600),
        ];
        match ranges
            .iter()
            .find(|(_, value, low, high)| !(low..=high).contains(&value))
        {
            Some((key, value, low, high)) => Err(format!("{key} is {value}, must be {low} to {high}")),
            None => Ok(()),
        }
    }
}

impl BookingSettings {
    pub fn notice(&self) -> TimeDelta {
        TimeDelta::minutes(self.cancel_notice_min.into())
    }
}

impl IdempotencySettings {
    pub fn keep(&self) -> TimeDelta {
        TimeDelta::hours(self.keep_h.into())
    }

    pub fn lease(&self) -> TimeDelta {
        TimeDelta::seconds(self.lease_s.into())
    }
}
