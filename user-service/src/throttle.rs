//! Failed attempts are counted where every instance sees them, and looked at before a password is.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::DateTime;
use chrono::Utc;
use common::ids::UserId;
use common::mysql;

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::secrets::fingerprint;
use crate::domain::throttle::Policy;
use crate::error::Error;
use crate::hashing::Turn;
use crate::state::AppState;
use crate::store::sessions;
use crate::store::throttles::{self, Scope, Subject};

/// How long a failure that cannot be counted is tried again, its turn held.
const INSISTENCE: Duration = Duration::from_secs(5);
/// Between two such tries.
const PAUSE: Duration = Duration::from_millis(200);

/// What the attempts of one client at one account are counted by.
#[derive(Debug, Clone)]
pub struct Watch {
    account: Subject,
    address: Subject,
    /// Something was counted at the account when it was last looked at.
    has_failures: bool,
    /// How many failures this instance had counted then.
    as_of: u64,
}

impl Watch {
    /// The counters for a client in `network` at the account of `user`.
    ///
    /// A client in a network from which the owner has logged in before is counted apart: strangers elsewhere cannot
    /// lock the owner out.
    pub fn at(user: UserId, is_known: bool, network: &str) -> Self {
        let account = if is_known {
            of_device(user, network)
        } else {
            of_account(user)
        };
        Self::of(account, network)
    }

    /// The counters for a client in `network` at an address of mail that nobody has.
    pub fn at_nobody(email_key: &str, network: &str) -> Self {
        let account = (Scope::Account, fingerprint(&[b"nobody", email_key.as_bytes()]));
        Self::of(account, network)
    }

    /// The counters for `client`, who is logged in as `user`.
    pub async fn at_own(state: &AppState, user: UserId, client: &Client) -> Result<Self, Error> {
        let network = client.network();
        let is_known = sessions::knows_address(&mut *state.db.acquire().await?, user, &network).await?;
        Ok(Self::at(user, is_known, &network))
    }

    fn of(account: Subject, network: &str) -> Self {
        Self {
            account,
            address: (Scope::Address, fingerprint(&[network.as_bytes()])),
            has_failures: false,
            as_of: 0,
        }
    }

    /// Go on with the right to compute hashes, or [`Error::Throttled`]. Looked at once more if something failed here
    /// while we waited for our turn: no more guesses slip through side by side than there are turns.
    pub async fn turn(&mut self, state: &AppState) -> Result<Turn, Error> {
        self.check(state).await?;
        let turn = state.hasher.turn().await?;
        if self.is_outdated(state) {
            self.check(state).await?;
        }
        Ok(turn)
    }

    fn is_outdated(&self, state: &AppState) -> bool {
        state.failures.load(Ordering::Acquire) != self.as_of
    }

    async fn check(&mut self, state: &AppState) -> Result<(), Error> {
        let now = state.core.clock.now();
        self.as_of = state.failures.load(Ordering::Acquire);
        let mut connection = state.db.acquire().await?;
        let tallies = throttles::find_both(&mut connection, [&self.account, &self.address]).await?;
        self.has_failures = tallies[0].is_some();
        match tallies
            .iter()
            .flatten()
            .filter_map(|tally| tally.pause(now))
            .max()
        {
            None => Ok(()),
            Some(pause) => {
                metrics::counter!("user_login_throttled_total").increment(1);
                Err(Error::Throttled(pause))
            }
        }
    }

    /// Count and remember a failure, and end the turn; what to answer.
    ///
    /// A client who hangs up does not take the failure along, and one that cannot be counted keeps its turn for a
    /// while: neither makes a guess cheaper.
    pub async fn refused(&self, state: &AppState, turn: Option<Turn>, entry: Entry, answer: Error) -> Error {
        let (watch, of) = (self.clone(), state.clone());
        let counting = state.core.background.finish(async move {
            let counted = watch.insist(&of, &entry).await;
            // Said before the turn ends: whoever takes it next must know.
            of.failures.fetch_add(1, Ordering::Release);
            drop(turn);
            counted
        });
        match counting.await {
            Ok(Ok(())) => answer,
            Ok(Err(uncounted)) => uncounted,
            Err(panicked) => Error::Internal(panicked.into()),
        }
    }

    async fn insist(&self, state: &AppState, entry: &Entry) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match mysql::retry(Error::is_retryable, || self.remember(state, entry)).await {
                Err(error) if begun.elapsed() < INSISTENCE => {
                    tracing::warn!(%error, "a failed attempt cannot be counted; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn remember(&self, state: &AppState, entry: &Entry) -> Result<(), Error> {
        let mut change = Change::begin(state).await?;
        let paused = self.failed(state, &mut change).await?;
        change.note(entry.clone().with("paused", paused));
        change.commit().await
    }

    /// Count a failure; true if it is the one that begins a pause.
    async fn failed(&self, state: &AppState, change: &mut Change) -> Result<bool, Error> {
        let now = change.now();
        let paused = count(change, &self.account, &state.settings().throttle.account(), now).await?;
        count(change, &self.address, &state.settings().throttle.address(), now).await?;
        Ok(paused)
    }

    /// Forget the account's failures. Those of the address stay: else one good account would open the way to all.
    pub async fn succeeded(&self, state: &AppState, change: &mut Change) -> Result<(), Error> {
        if self.has_failures || self.is_outdated(state) {
            throttles::forget(change.db(), &self.account).await?;
        }
        Ok(())
    }
}

async fn count(
    change: &mut Change,
    subject: &Subject,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let tally = throttles::lock(change.db(), subject, now)
        .await?
        .failed(policy, now);
    throttles::save(change.db(), subject, &tally).await?;
    Ok(tally.pause(now).is_some())
}

/// Forget what was failed at the account of `user`: by strangers, and at the address of `client`, who has just proved
/// to be the owner.
pub async fn forgive(change: &mut Change, user: UserId, client: &Client) -> Result<(), Error> {
    for subject in [of_account(user), of_device(user, &client.network())] {
        throttles::forget(change.db(), &subject).await?;
    }
    Ok(())
}

fn of_account(user: UserId) -> Subject {
    (Scope::Account, fingerprint(&[user.uuid().as_bytes()]))
}

fn of_device(user: UserId, network: &str) -> Subject {
    let subject = fingerprint(&[user.uuid().as_bytes(), network.as_bytes()]);
    (Scope::Device, subject)
}
