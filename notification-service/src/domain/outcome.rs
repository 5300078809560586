//! What a provider's answer means and what follows from it.

use chrono::{DateTime, TimeDelta, Utc};

use super::status::SkipReason;
use super::template::Resend;

/// How handing a message to a provider ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has it, under this id.
    Accepted(Option<String>),
    /// It is where it should be: nothing more will be heard.
    Arrived(Option<String>),
    /// Certainly not taken; trying again is safe. With the wait that the provider asks for.
    NotTaken { code: String, wait: Option<TimeDelta> },
    /// Refused for good.
    Refused(String),
    /// The recipient told the provider to stop.
    OptedOut,
    /// Refused because of us, not of the message: wrong credentials, unverified sender.
    Misconfigured(String),
    /// Taken or not: nobody knows.
    Ambiguous(String),
}

/// What to do next with a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Sent(Option<String>),
    Delivered(Option<String>),
    /// Back into the queue until then.
    Retry {
        at: DateTime<Utc>,
        code: String,
    },
    /// Wait for the provider's report until then; after that [`resend`] decides.
    Await {
        until: DateTime<Utc>,
        code: String,
    },
    Failed(String),
    Skip(SkipReason),
}

/// Pauses between tries in seconds.
const SCHEDULE_S: [i64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/// While a channel is misconfigured its messages look again this often; no try is counted off.
const REPAIR: TimeDelta = TimeDelta::minutes(5);
/// How long a provider's report is waited for when its answer was lost.
const REPORT: TimeDelta = TimeDelta::minutes(5);

/// A try that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    pub now: DateTime<Utc>,
    /// Counting from 1.
    pub attempt: u32,
    pub expires_at: Option<DateTime<Utc>>,
    /// Spreads retries: 0.8 to 1.2.
    pub jitter: f64,
}

/// What follows from `outcome`.
pub fn next(outcome: Outcome, this: Try) -> Next {
    match outcome {
        Outcome::Accepted(id) => Next::Sent(id),
        Outcome::Arrived(id) => Next::Delivered(id),
        Outcome::Refused(code) => Next::Failed(code),
        Outcome::OptedOut => Next::Skip(SkipReason::OptedOut),
        Outcome::Ambiguous(code) => Next::Await {
            until: this.now + REPORT,
            code,
        },
        Outcome::Misconfigured(code) => in_time(this, REPAIR, code),
        Outcome::NotTaken { code, wait } => match pause(this) {
            Some(pause) => in_time(this, pause.max(wait.unwrap_or_default()), code),
            None => Next::Failed(code),
        },
    }
}

fn in_time(this: Try, pause: TimeDelta, code: String) -> Next {
    let at = this.now + pause;
    if this.expires_at.is_some_and(|end| at >= end) {
        return Next::Failed(code);
    }
    Next::Retry { at, code }
}

/// `None` when there were enough tries.
fn pause(this: Try) -> Option<TimeDelta> {
    let place = usize::try_from(this.attempt.saturating_sub(1)).ok()?;
    let seconds = *SCHEDULE_S.get(place)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "hours in milliseconds"
    )]
    let milliseconds = (seconds as f64 * 1000.0 * this.jitter) as i64;
    Some(TimeDelta::milliseconds(milliseconds))
}

/// Whether to send once more what may have gone out already.
pub fn resend(policy: Resend, already_repeated: bool) -> bool {
    match policy {
        Resend::Freely => true,
        Resend::Once => !already_repeated,
        Resend::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(attempt: u32) -> Try {
        Try {
            now: DateTime::UNIX_EPOCH,
            attempt,
            expires_at: None,
            jitter: 1.0,
        }
    }

    fn busy(wait: Option<TimeDelta>) -> Outcome {
        Outcome::NotTaken {
            code: "429".to_owned(),
            wait,
        }
    }

    fn pause_of(next: &Next) -> Option<i64> {
        match next {
            Next::Retry { at, .. } => Some(at.timestamp()),
            _ => None,
        }
    }

    #[test]
    fn tries_grow_apart_and_end() {
        let pauses: Vec<_> = (1..=8).map(|n| pause_of(&next(busy(None), attempt(n)))).collect();
        let expected = SCHEDULE_S.map(Some).into_iter().chain([None]);
        assert_eq!(pauses, expected.collect::<Vec<_>>());
        assert_eq!(next(busy(None), attempt(8)), Next::Failed("429".to_owned()));
    }

    #[test]
    fn a_provider_that_asks_for_time_gets_it() {
        let asked = busy(Some(TimeDelta::seconds(60)));
        assert_eq!(pause_of(&next(asked, attempt(1))), Some(60));
    }

    #[test]
    fn no_try_after_the_deadline() {
        let late = Try {
            expires_at: Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(5)),
            ..attempt(1)
        };
        assert_eq!(next(busy(None), late), Next::Failed("429".to_owned()));
    }

    #[test]
    fn a_lost_answer_is_waited_for_and_not_repeated_at_once() {
        let unknown = next(Outcome::Ambiguous("500".to_owned()), attempt(1));
        assert!(matches!(unknown, Next::Await { until, .. } if until.timestamp() == 300));
        assert!(resend(Resend::Once, false));
        assert!(!resend(Resend::Once, true));
        assert!(!resend(Resend::Never, false));
        assert!(resend(Resend::Freely, true));
    }

    #[test]
    fn wrong_credentials_use_up_no_tries() {
        let wrong = Outcome::Misconfigured("401".to_owned());
        assert_eq!(pause_of(&next(wrong, attempt(50))), Some(300));
    }
}
