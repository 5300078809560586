//! Settings of the registry's client. They stand under `eureka:` (so that the URL is `EUREKA_URL`):
//!
//! ```yaml
//! eureka:
//!   url: null               # http://name:secret@host:8761/eureka/, several separated by commas; null = no registry
//!   renewal_interval_s: 5   # how often a lease is renewed
//!   lease_duration_s: 15    # how long the registry believes in an instance that has fallen silent
//!   wait_s: 25              # how long one long poll may hang
//!   poll_interval_s: 5      # how often to ask a registry that cannot push
//!   keep_lost_s: 15         # how long to believe in instances that a restarted registry has not heard of
//!   cache_file: null        # where to keep the last known registry between two starts; null = nowhere
//! ```

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// How this process finds the registry and how it behaves towards it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoverySettings {
    /// Base URLs with credentials, separated by commas, tried in order. `None`: there is no registry.
    pub url: Option<SecretString>,
    /// Seconds between two renewals of the lease.
    pub renewal_interval_s: u64,
    /// Seconds of silence after which the registry drops the instance.
    pub lease_duration_s: u64,
    /// Seconds that one long poll may hang; the registry allows at most 25.
    pub wait_s: u64,
    /// Seconds between two questions to a registry that knows no long poll.
    pub poll_interval_s: u64,
    /// Seconds for which instances are still believed in after a registry came back without them.
    pub keep_lost_s: u64,
    /// File that holds the last known registry between two starts.
    pub cache_file: Option<PathBuf>,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            url: None,
            renewal_interval_s: 5,
            lease_duration_s: 15,
            wait_s: 25,
            poll_interval_s: 5,
            keep_lost_s: 15,
            cache_file: None,
        }
    }
}

impl DiscoverySettings {
    pub(super) fn renewal_interval(&self) -> Duration {
        Duration::from_secs(self.renewal_interval_s.max(1))
    }

    pub(super) fn poll_interval(&self) -> Duration {
        Duration::from_secs(self.poll_interval_s.max(1))
    }

    pub(super) fn keep_lost(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(i64::try_from(self.keep_lost_s).unwrap_or(i64::MAX / 1_000_000))
    }
}
