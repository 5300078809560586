//! The service's own settings.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::crypto::MasterKeys;
use crate::domain::access::DoctorAccess;

/// The defaults, the weakest layer.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// The settings of `config.default.yml`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub mongodb: MongoSettings,
    pub records: RecordSettings,
}

/// Section `mongodb`.
#[derive(Debug, Clone, Deserialize)]
pub struct MongoSettings {
    pub url: SecretString,
    pub database: String,
    /// Connections at most.
    pub pool_size: u32,
    /// Milliseconds to wait for a server before answering 503.
    pub timeout_ms: u64,
}

/// Section `records`.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordSettings {
    /// 32 random bytes in base64.
    pub key: SecretString,
    /// Keys that were current before.
    pub old_keys: Vec<SecretString>,
    pub doctor_access: DoctorAccess,
    /// Milliseconds that one step with the database or a neighbour may take.
    pub step_timeout_ms: u64,
    /// Bytes of a file at most.
    pub max_file_bytes: u64,
    /// Uploads received at once; more are asked to come back.
    pub max_uploads: usize,
    /// The same for one user.
    pub max_uploads_per_user: usize,
    /// Bytes that a patient may store in all.
    pub patient_quota_bytes: u64,
    /// clamd's `host:port`; `None`: files are not scanned.
    pub scanner: Option<String>,
    /// Milliseconds that one step of a scan may take.
    pub scanner_timeout_ms: u64,
    /// Seconds of silence after which an upload is given up.
    pub upload_idle_s: u64,
    /// Seconds that an upload may take in all.
    pub upload_s: u64,
}

impl common::config::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        MasterKeys::new(&self.records.key, &self.records.old_keys)
            .map_err(|error| format!("records.key, records.old_keys: {error}"))?;
        if self.records.max_file_bytes == 0 || self.records.max_file_bytes > 1024 * 1024 * 1024 {
            return Err("records.max_file_bytes must be 1 byte to 1 GiB".to_owned());
        }
        if self.records.max_uploads == 0 || self.records.max_uploads_per_user == 0 {
            return Err("records.max_uploads and records.max_uploads_per_user must be at least 1".to_owned());
        }
        if self.records.upload_idle_s > 45 {
            // An upload that shows no life for a minute is swept.
            return Err("records.upload_idle_s must be at most 45".to_owned());
        }
        Ok(())
    }
}

impl RecordSettings {
    /// How long silence is borne.
    pub fn upload_idle(&self) -> Duration {
        Duration::from_secs(self.upload_idle_s)
    }

    /// How long one step of a scan may take.
    pub fn scanner_patience(&self) -> Duration {
        Duration::from_millis(self.scanner_timeout_ms)
    }

    /// How long an upload may take.
    pub fn upload_time(&self) -> Duration {
        Duration::from_secs(self.upload_s)
    }
}
