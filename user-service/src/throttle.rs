//! Failed attempts are counted where every instance sees them, and looked at before a password is.

use chrono::DateTime;
use chrono::Utc;
use common::ids::UserId;

use crate::change::Change;
use crate::client::Client;
use crate::domain::secrets::fingerprint;
use crate::domain::throttle::Policy;
use crate::error::Error;
use crate::state::AppState;
use crate::store::sessions;
use crate::store::throttles::{self, Scope, Subject};

/// What the attempts of one client at one account are counted by.
#[derive(Debug, Clone)]
pub struct Watch {
    account: Subject,
    address: Subject,
}

impl Watch {
    /// The counters for `client` at the account of `user`, or at an address of mail that nobody has.
    ///
    /// A client at an address from which the owner has logged in before is counted apart: strangers elsewhere
    /// cannot lock the owner out.
    pub async fn of(
        state: &AppState,
        user: Option<UserId>,
        email_key: &str,
        client: &Client,
    ) -> Result<Self, Error> {
        let network = client.network();
        // Asked also for nobody, so that it takes the same time.
        let id = user.unwrap_or(UserId::from(uuid::Uuid::nil()));
        let known = sessions::knows_address(&mut *state.db.acquire().await?, id, &network).await?;
        let account = match user {
            Some(_) if known => (
                Scope::Device,
                fingerprint(&[id.uuid().as_bytes(), network.as_bytes()]),
            ),
            Some(_) => (Scope::Account, fingerprint(&[id.uuid().as_bytes()])),
            None => (Scope::Account, fingerprint(&[b"nobody", email_key.as_bytes()])),
        };
        Ok(Self {
            account,
            address: (Scope::Address, fingerprint(&[network.as_bytes()])),
        })
    }

    /// Go on, or [`Error::Throttled`].
    pub async fn check(&self, state: &AppState) -> Result<(), Error> {
        let now = state.core.clock.now();
        let mut connection = state.db.acquire().await?;
        let mut longest = None;
        for subject in [&self.account, &self.address] {
            let tally = throttles::find(&mut connection, subject).await?;
            longest = longest.max(tally.and_then(|tally| tally.pause(now)));
        }
        match longest {
            None => Ok(()),
            Some(pause) => {
                metrics::counter!("user_login_throttled_total").increment(1);
                Err(Error::Throttled(pause))
            }
        }
    }

    /// Count a failure; true if it is the one that begins a pause.
    pub async fn failed(&self, state: &AppState, change: &mut Change) -> Result<bool, Error> {
        let now = change.now();
        let paused = count(change, &self.account, &state.settings().throttle.account(), now).await?;
        count(change, &self.address, &state.settings().throttle.address(), now).await?;
        Ok(paused)
    }

    /// Forget the account's failures. Those of the address stay: else one good account would open the way to all.
    pub async fn succeeded(&self, change: &mut Change) -> Result<(), Error> {
        Ok(throttles::forget(change.db(), &self.account).await?)
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

/// Forget what strangers failed at the account of `user`.
pub async fn forgive(change: &mut Change, user: UserId) -> Result<(), Error> {
    let subject = (Scope::Account, fingerprint(&[user.uuid().as_bytes()]));
    Ok(throttles::forget(change.db(), &subject).await?)
}
