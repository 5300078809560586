//! Password hashing: never on an async worker, never more at once than there are cores, never a long queue.
//!
//! Whoever wants a hash takes a turn, and with it a core for each computation. There is one turn more than there are
//! cores: while its owner still looks things up, all cores are busy.

mod argon2id;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Params;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PasswordSettings;
use crate::domain::secrets::random;
use crate::error::Error;
use argon2id::Memory;
pub use argon2id::Verified;

/// Hashes and checks passwords with argon2id.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    params: Params,
    turns: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    queued: AtomicUsize,
    queue: usize,
    patience: Duration,
    /// Of a password that nobody knows: checking against it takes as long as a real check.
    dummy: String,
    /// As many as there were checks at once.
    memories: Mutex<Vec<Memory>>,
}

/// The right to compute hashes.
pub struct Turn {
    hasher: Hasher,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Hasher {
    /// Hash as `settings` say.
    pub fn new(settings: &PasswordSettings) -> anyhow::Result<Self> {
        let params = Params::new(settings.memory_kib, settings.passes, settings.lanes, None)
            .map_err(|error| anyhow::anyhow!("password.memory_kib, .passes or .lanes: {error}"))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = if settings.hashes_at_once == 0 {
            cores
        } else {
            settings.hashes_at_once
        };
        let dummy = argon2id::hash(&params, &random::<32>())?;
        Ok(Self(Arc::new(Inner {
            params,
            turns: Arc::new(Semaphore::new(at_once + 1)),
            cores: Arc::new(Semaphore::new(at_once)),
            queued: AtomicUsize::new(0),
            queue: settings.queue,
            patience: Duration::from_millis(settings.patience_ms),
            dummy,
            memories: Mutex::default(),
        })))
    }

    /// [`Error::Busy`] when whoever comes now would be turned away: for those who have work before their turn.
    pub fn expect_room(&self) -> Result<(), Error> {
        if self.0.queued.load(Ordering::Relaxed) < self.0.queue {
            return Ok(());
        }
        metrics::counter!("user_password_shed_total").increment(1);
        Err(Error::Busy)
    }

    /// Wait for a turn; [`Error::Busy`] when too many wait already or it takes too long.
    pub async fn turn(&self) -> Result<Turn, Error> {
        let inner = &self.0;
        if inner.queued.fetch_add(1, Ordering::Relaxed) >= inner.queue {
            inner.queued.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("user_password_shed_total").increment(1);
            return Err(Error::Busy);
        }
        let place = Place(inner);
        let permit = tokio::time::timeout(inner.patience, inner.turns.clone().acquire_owned()).await;
        drop(place);
        if let Ok(Ok(permit)) = permit {
            return Ok(Turn {
                hasher: self.clone(),
                permit: Arc::new(permit),
            });
        }
        metrics::counter!("user_password_shed_total").increment(1);
        Err(Error::Busy)
    }
}

/// A place in the queue, given back also when the client goes away while waiting.
struct Place<'a>(&'a Inner);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turn {
    /// Hash a new password.
    pub async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let inner = self.hasher.clone();
        self.run(move || argon2id::hash(&inner.0.params, password.expose_secret().as_bytes()))
            .await?
            .map_err(Error::from)
    }

    /// Check `password` against a stored hash; without one against nobody's, which takes as long.
    pub async fn verify(
        &self,
        password: Option<SecretString>,
        stored: Option<String>,
    ) -> Result<Verified, Error> {
        let inner = self.hasher.clone();
        self.run(move || {
            let known = stored.is_some() && password.is_some();
            let stored = stored.unwrap_or_else(|| inner.0.dummy.clone());
            let password = password.unwrap_or_default();
            let mut memory = inner.0.memories().pop().unwrap_or_default();
            let bytes = password.expose_secret().as_bytes();
            let verified = argon2id::verify(&inner.0.params, bytes, &stored, &mut memory);
            inner.0.memories().push(memory);
            let verified = verified?;
            Ok(Verified {
                matches: verified.matches && known,
                ..verified
            })
        })
        .await?
    }

    /// Run `work` on a core, in a blocking thread. The permits go along, so that a client who hangs up frees no core
    /// early.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permit.clone();
        let core = self.hasher.core().await?;
        let job = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((core, permit));
            result
        });
        job.await.map_err(|error| Error::Internal(error.into()))
    }
}

impl Hasher {
    /// Soon free: there are hardly more turns than cores.
    async fn core(&self) -> Result<OwnedSemaphorePermit, Error> {
        let core = self.0.cores.clone().acquire_owned().await;
        core.map_err(|error| Error::Internal(error.into()))
    }
}

impl Inner {
    fn memories(&self) -> std::sync::MutexGuard<'_, Vec<Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn settings() -> PasswordSettings {
        PasswordSettings {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
            hashes_at_once: 1,
            queue: 2,
            patience_ms: 100,
        }
    }

    async fn check(hasher: &Hasher, password: &str, stored: Option<&str>) -> Verified {
        let turn = hasher.turn().await.unwrap();
        turn.verify(Some(password.into()), stored.map(str::to_owned))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let hasher = Hasher::new(&settings()).unwrap();
        let hash = hasher.turn().await.unwrap().hash("right".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_eq!(
            check(&hasher, "right", Some(&hash)).await,
            Verified {
                matches: true,
                outdated: false
            }
        );
        assert!(!check(&hasher, "wrong", Some(&hash)).await.matches);
        assert!(
            !check(&hasher, "right", None).await.matches,
            "nobody's password fits nothing"
        );
        let long = format!("{}a", "x".repeat(100));
        let hash = hasher
            .turn()
            .await
            .unwrap()
            .hash(long.clone().into())
            .await
            .unwrap();
        assert!(
            !check(&hasher, &long.replace('a', "b"), Some(&hash)).await.matches,
            "nothing is cut off"
        );
    }

    #[tokio::test]
    async fn raised_parameters_make_old_hashes_outdated() {
        let hash = Hasher::new(&settings())
            .unwrap()
            .turn()
            .await
            .unwrap()
            .hash("right".into())
            .await
            .unwrap();
        for raised in [
            PasswordSettings {
                memory_kib: 128,
                ..settings()
            },
            PasswordSettings {
                passes: 2,
                ..settings()
            },
        ] {
            let hasher = Hasher::new(&raised).unwrap();
            assert_eq!(
                check(&hasher, "right", Some(&hash)).await,
                Verified {
                    matches: true,
                    outdated: true
                }
            );
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the work runs on a blocking thread")]
    async fn two_turns_on_one_core_compute_one_after_the_other() {
        let hasher = Hasher::new(&settings()).unwrap();
        let (one, two) = (hasher.turn().await.unwrap(), hasher.turn().await.unwrap());
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (at_once, most) = (at_once.clone(), most.clone());
            move || {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(50));
                at_once.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let (first, second) = tokio::join!(one.run(work()), two.run(work()));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_full_queue_and_a_long_wait_are_refused() {
        let hasher = Hasher::new(&settings()).unwrap();
        let held = [hasher.turn().await.unwrap(), hasher.turn().await.unwrap()];
        let (first, second) = (hasher.turn(), hasher.turn());
        let third = async {
            tokio::task::yield_now().await;
            hasher.turn().now_or_never()
        };
        let (first, second, third) = tokio::join!(first, second, third);
        assert!(third.is_some_and(|third| third.is_err()), "refused at once");
        assert!(first.is_err() && second.is_err(), "not for ever");
        let (waiting, room) = tokio::join!(hasher.turn(), async { hasher.expect_room().is_ok() });
        assert!(
            waiting.is_err() && room,
            "one waits, and there is room for one more"
        );
        let (one, two, room) = tokio::join!(hasher.turn(), hasher.turn(), async {
            hasher.expect_room().is_ok()
        });
        assert!(one.is_err() && two.is_err() && !room, "two wait");
        drop(held);
        assert!(hasher.turn().await.is_ok(), "places in the queue were given back");
    }
}
