//! Logging in: the same answer in the same time for whatever is wrong.

use common::ids::UserId;
use secrecy::SecretString;

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::email::Email;
use crate::domain::password;
use crate::domain::user::{Credentials, Status};
use crate::error::Error;
use crate::hashing::Turn;
use crate::second_factor::{self, Checked};
use crate::sessions::{self, Reason, Tokens};
use crate::state::AppState;
use crate::store::credentials::{self, Entrant};
use crate::throttle::Watch;

/// What somebody claims to be.
pub struct Attempt {
    pub email: String,
    pub password: SecretString,
    pub code: Option<SecretString>,
}

/// What a successful login gives.
pub struct LoggedIn {
    pub user: Credentials,
    pub tokens: Tokens,
    /// When this login ended the setting up of a second factor.
    pub recovery_codes: Vec<SecretString>,
}

/// Who attempts, at whose account.
struct Visitor<'a> {
    client: &'a Client,
    watch: Watch,
    user: Option<UserId>,
}

/// Log in.
pub async fn login(state: &AppState, attempt: Attempt, client: &Client) -> Result<LoggedIn, Error> {
    // A flood must not ask the database for those whom nobody has time for.
    state.hasher.expect_room()?;
    let key = key_of(&attempt.email);
    let network = client.network();
    let nearest = credentials::find_nearest(&mut *state.db.acquire().await?, &key, &network).await?;
    // Checking a password nobody has must cost what a check costs at one of the accounts that exist.
    let stored = nearest
        .as_ref()
        .map(|nearest| nearest.credentials.password_hash.clone());
    let nearest = nearest.filter(|nearest| nearest.is_it);
    let watch = match &nearest {
        Some(found) => Watch::at(found.credentials.id, found.knows_network, &network),
        None => Watch::at_nobody(&key, &network),
    };
    let user = nearest.map(|nearest| nearest.credentials);
    let mut visitor = Visitor {
        client,
        watch,
        user: user.as_ref().map(|user| user.id),
    };
    let turn = visitor.watch.turn(state).await?;
    let typed = password::normalized(&attempt.password);
    let verified = turn.verify(typed.clone(), stored).await?;
    let Some(user) = user.filter(|user| verified.matches && user.status == Status::Active) else {
        let wrong = Error::WrongCredentials;
        return Err(visitor
            .refused(state, Some(turn), "wrong credentials", wrong)
            .await);
    };
    let stronger = match typed {
        Some(typed) if verified.outdated => Some(turn.hash(typed).await?),
        _ => None,
    };
    // A code that comes along may be a guess: those, too, are looked at in turn.
    let turn = Some(turn).filter(|_| attempt.code.is_some());
    let entered = enter(state, user, &attempt, &visitor, stronger).await;
    match entered {
        Err(Error::WrongCode) => Err(visitor.refused(state, turn, "wrong code", Error::WrongCode).await),
        other => other,
    }
}

/// What is no address belongs to nobody; its failures are counted all the same.
fn key_of(email: &str) -> String {
    match Email::parse(email) {
        Ok(email) => email.key().to_owned(),
        Err(_) => email.chars().take(254).collect(),
    }
}

/// The password was right: check the second factor and begin a session.
async fn enter(
    state: &AppState,
    user: Credentials,
    attempt: &Attempt,
    visitor: &Visitor<'_>,
    stronger: Option<String>,
) -> Result<LoggedIn, Error> {
    let mut change = Change::begin(state).await?;
    let Entrant {
        credentials: current,
        second_factor: stored,
        open_sessions,
    } = credentials::lock_entrant(change.db(), user.id)
        .await?
        .ok_or(Error::WrongCredentials)?;
    // The account may have changed while the password was being checked.
    if current.status != Status::Active || current.password_hash != user.password_hash {
        return Err(Error::WrongCredentials);
    }
    let client = visitor.client;
    let entry = |action| {
        Entry::done(action)
            .by(user.id)
            .about(user.id)
            .from(client.network())
    };
    let presented = (stored, attempt.code.as_ref());
    let recovery_codes = match second_factor::check(state, &mut change, (&current, client), presented).await?
    {
        Checked::Passed => Vec::new(),
        Checked::Enrolled(codes) => {
            sessions::end_all(&mut change, current.id, None, Reason::SecondFactorChanged).await?;
            change.note(entry("second_factor.enrolled"));
            codes
        }
        Checked::Missing => return Err(Error::SecondFactorRequired),
        Checked::Wrong => return Err(Error::WrongCode),
        Checked::MustEnrol { secret, otpauth_url } => {
            change.commit().await?;
            return Err(Error::EnrolmentRequired { secret, otpauth_url });
        }
    };
    visitor.watch.succeeded(state, &mut change).await?;
    if let Some(stronger) = stronger {
        credentials::rehash(change.db(), current.id, &current.password_hash, &stronger).await?;
    }
    let tokens = sessions::begin(state, &mut change, (&current, open_sessions), client).await?;
    change.note(entry("login"));
    change.commit().await?;
    Ok(LoggedIn {
        user: current,
        tokens,
        recovery_codes,
    })
}

impl Visitor<'_> {
    /// Count and remember the failure; what to answer.
    async fn refused(
        &self,
        state: &AppState,
        turn: Option<Turn>,
        reason: &'static str,
        answer: Error,
    ) -> Error {
        let mut entry = Entry::refused("login", reason).from(self.client.network());
        entry.user = self.user;
        metrics::counter!("user_login_refused_total").increment(1);
        self.watch.refused(state, turn, entry, answer).await
    }
}
