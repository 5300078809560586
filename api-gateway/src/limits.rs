//! How often a caller may come: one bucket per caller and class of routes, by tower-governor.

pub mod caps;
pub mod failures;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use crate::config::Quota;

/// Buckets beyond which addresses share a fixed number of them, so that memory stays bounded.
const CROWDED: usize = 200_000;

/// Under which a caller is counted: a user's id or a client's address, as 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerKey(pub u128);

/// Finds the key where the edge has put it.
#[derive(Clone, Copy, Debug)]
pub struct FromExtension;

impl KeyExtractor for FromExtension {
    type Key = CallerKey;

    fn extract<T>(&self, request: &Request<T>) -> Result<CallerKey, GovernorError> {
        request
            .extensions()
            .get()
            .copied()
            .ok_or(GovernorError::UnableToExtractKey)
    }
}

/// What the layer of tower-governor needs.
pub type LayerConfig = GovernorConfig<FromExtension, StateInformationMiddleware>;

/// One class of routes.
#[derive(Debug)]
pub struct Class {
    quota: Quota,
    scale: f64,
    burst: u32,
    /// Between two requests once the burst is used up.
    period: Duration,
    config: Arc<LayerConfig>,
    crowded: AtomicBool,
}

/// What the caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until everything is there again.
    pub reset_s: u64,
    /// Seconds to wait, if nothing is left.
    pub refused_for_s: Option<u64>,
}

/// The quota leaves nothing to give out.
#[derive(Debug, thiserror::Error)]
#[error("gateway.rate_limit: the scale must be a positive number that leaves at least one request an hour")]
pub struct BadQuota;

impl Class {
    /// `quota` multiplied by `scale`.
    ///
    /// # Errors
    /// The scale is not a positive number.
    pub fn new(quota: Quota, scale: f64) -> Result<Self, BadQuota> {
        let period = 60.0 / (f64::from(quota.per_minute.get()) * scale);
        if !scale.is_finite() || scale <= 0.0 || period > 3600.0 {
            return Err(BadQuota);
        }
        let period = Duration::from_secs_f64(period).max(Duration::from_nanos(1));
        // `as` saturates, which is what a huge scale means.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded just before"
        )]
        let burst = (f64::from(quota.burst.get()) * scale).clamp(1.0, f64::from(u32::MAX)) as u32;
        let config = GovernorConfigBuilder::default()
            .period(period)
            .burst_size(burst)
            .key_extractor(FromExtension)
            .use_headers()
            .finish()
            .ok_or(BadQuota)?;
        Ok(Self {
            quota,
            scale,
            burst,
            period,
            config: Arc::new(config),
            crowded: AtomicBool::new(false),
        })
    }

    /// Whether this class was made of the same numbers.
    pub fn is_made_of(&self, quota: Quota, scale: f64) -> bool {
        self.quota == quota && self.scale.to_bits() == scale.to_bits()
    }

    /// For the layer in front of the gateway's own pages; it shares the buckets with [`Class::take`].
    pub fn layer_config(&self) -> Arc<LayerConfig> {
        Arc::clone(&self.config)
    }

    /// Take one request from the caller's bucket.
    pub fn take(&self, key: CallerKey) -> Allowance {
        match self.config.limiter().check_key(&key) {
            Ok(snapshot) => self.allowed(&snapshot),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let refused_for_s = Some(ceil_seconds(wait).max(1));
                Allowance {
                    limit: self.burst,
                    remaining: 0,
                    reset_s: self.reset(0),
                    refused_for_s,
                }
            }
        }
    }

    /// What a caller has who has `remaining` left.
    pub fn allowance(&self, remaining: u32) -> Allowance {
        Allowance {
            limit: self.burst,
            remaining,
            reset_s: self.reset(remaining),
            refused_for_s: None,
        }
    }

    fn allowed(&self, snapshot: &StateSnapshot) -> Allowance {
        self.allowance(snapshot.remaining_burst_capacity())
    }

    fn reset(&self, remaining: u32) -> u64 {
        ceil_seconds(self.period.saturating_mul(self.burst.saturating_sub(remaining)))
    }

    /// So many callers are known that addresses are to share buckets.
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Forget the callers whose bucket is full again.
    pub fn sweep(&self) {
        let limiter = self.config.limiter();
        limiter.retain_recent();
        let crowded = limiter.len() > CROWDED;
        if self.crowded.swap(crowded, Ordering::Relaxed) && !crowded {
            limiter.shrink_to_fit();
        }
    }

    /// Callers whose bucket is not full.
    pub fn callers(&self) -> usize {
        self.config.limiter().len()
    }
}

fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

impl Allowance {
    /// Say it in the answer's headers.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(
            HeaderName::from_static("ratelimit-limit"),
            HeaderValue::from(self.limit),
        );
        headers.insert(
            HeaderName::from_static("ratelimit-remaining"),
            HeaderValue::from(self.remaining),
        );
        headers.insert(
            HeaderName::from_static("ratelimit-reset"),
            HeaderValue::from(self.reset_s),
        );
    }
}

/// Every class by its name.
pub type Classes = BTreeMap<String, Arc<Class>>;

#[cfg(test)]
mod tests;
