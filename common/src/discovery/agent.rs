//! What the watcher and the lease have in common: the servers, the time, and how to wait after a failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::lease::Lease;
use super::servers::{Servers, Silence};
use super::settings::DiscoverySettings;
use crate::background::Background;
use crate::clock::Clock;

pub(super) struct Agent {
    pub(super) settings: DiscoverySettings,
    pub(super) servers: Servers,
    pub(super) clock: Clock,
    pub(super) background: Background,
    pub(super) lease: Mutex<Option<Lease>>,
    /// Cancelled once this process has left the registry, never to come back.
    pub(super) left: CancellationToken,
    connected: AtomicBool,
}

impl Agent {
    pub(super) fn new(
        settings: DiscoverySettings,
        servers: Servers,
        clock: Clock,
        background: Background,
    ) -> Self {
        Self {
            settings,
            servers,
            clock,
            background,
            lease: Mutex::new(None),
            left: CancellationToken::new(),
            connected: AtomicBool::new(false),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Log the registry's going away and its return, once each.
    pub(super) fn note<T>(&self, outcome: &Result<T, Silence>) {
        match outcome {
            Ok(_) => {
                if !self.connected.swap(true, Ordering::Relaxed) {
                    tracing::info!("registry answers");
                }
            }
            Err(error) => {
                if self.connected.swap(false, Ordering::Relaxed) {
                    tracing::warn!(%error, "registry does not answer; going on with what is known");
                } else {
                    tracing::debug!(%error, "registry still does not answer");
                }
            }
        }
    }
}

/// Waits that double from a fifth of a second up to `longest`, each shortened at random so that a fleet that
/// lost its registry does not return to it in step.
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(200);

    pub(super) fn up_to(longest: Duration) -> Self {
        Self {
            next: Self::FIRST,
            longest,
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = (self.next * 2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_start_again_after_success() {
        let mut backoff = Backoff::up_to(Duration::from_secs(2));
        let waits: Vec<_> = (0..8).map(|_| backoff.wait()).collect();
        assert!(waits[0] <= Duration::from_millis(200));
        assert!(waits[7] >= Duration::from_secs(1) && waits[7] <= Duration::from_secs(2));
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(200));
    }
}
