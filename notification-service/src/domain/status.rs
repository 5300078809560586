use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::channel::{UnknownName, find};

/// Where a notification is, as callers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Queued,
    Sent,
    Delivered,
    Failed,
    Skipped,
}

/// Where a notification is, as we know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    /// Written before the provider is called, so that a crash cannot hide a message that went out.
    Sending,
    /// The provider may have it or not.
    Ambiguous,
    Sent,
    Delivered,
    Failed,
    Skipped,
}

impl State {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Ambiguous,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Skipped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Sending => "SENDING",
            Self::Ambiguous => "AMBIGUOUS",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
        }
    }

    pub fn status(self) -> Status {
        match self {
            Self::Queued | Self::Sending | Self::Ambiguous => Status::Queued,
            Self::Sent => Status::Sent,
            Self::Delivered => Status::Delivered,
            Self::Failed => Status::Failed,
            Self::Skipped => Status::Skipped,
        }
    }
}

impl FromStr for State {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        find(&Self::ALL, Self::as_str, text)
    }
}

impl Status {
    /// The states that callers see as this one.
    pub fn states(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| state.status() == self)
    }
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    UnknownUser,
    Suspended,
    NoAddress,
    NumberNotAllowed,
    OptedOut,
    Preference,
    /// The visit has been moved or cancelled since.
    Superseded,
    /// It would come when it is of no use any more.
    TooLate,
    LimitReached,
}

impl SkipReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::Suspended => "account-suspended",
            Self::NoAddress => "no-address",
            Self::NumberNotAllowed => "number-not-allowed",
            Self::OptedOut => "opted-out",
            Self::Preference => "preference",
            Self::Superseded => "superseded",
            Self::TooLate => "too-late",
            Self::LimitReached => "limit-reached",
        }
    }
}

/// What a provider reports of a message that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// It is on its way.
    Accepted,
    Delivered,
    /// It will not arrive, or came back after it had been delivered.
    Undeliverable,
}

impl Report {
    /// The state after this report, if it changes it. Reports come late, twice and in any order: of two, the
    /// later one in the order above stands, whichever came first.
    pub fn applied_to(self, state: State) -> Option<State> {
        let known = match state {
            State::Queued | State::Sending | State::Ambiguous => None,
            State::Sent => Some(Self::Accepted),
            State::Delivered => Some(Self::Delivered),
            State::Failed => Some(Self::Undeliverable),
            State::Skipped => return None,
        };
        (known < Some(self)).then_some(match self {
            Self::Accepted => State::Sent,
            Self::Delivered => State::Delivered,
            Self::Undeliverable => State::Failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[Report]) -> State {
        reports.iter().fold(State::Sending, |state, report| {
            report.applied_to(state).unwrap_or(state)
        })
    }

    fn permutations(items: &[Report]) -> Vec<Vec<Report>> {
        let Some((first, rest)) = items.split_first() else {
            return vec![Vec::new()];
        };
        let mut all = Vec::new();
        for shorter in permutations(rest) {
            for place in 0..=shorter.len() {
                let mut longer = shorter.clone();
                longer.insert(place, *first);
                all.push(longer);
            }
        }
        all
    }

    #[test]
    fn the_order_of_reports_does_not_matter() {
        let cases: &[(&[Report], State)] = &[
            (
                &[Report::Accepted, Report::Accepted, Report::Delivered],
                State::Delivered,
            ),
            (
                &[Report::Accepted, Report::Undeliverable, Report::Accepted],
                State::Failed,
            ),
            (
                &[Report::Accepted, Report::Delivered, Report::Undeliverable],
                State::Failed,
            ),
        ];
        for (reports, expected) in cases {
            for order in permutations(reports) {
                assert_eq!(after(&order), *expected, "{order:?}");
            }
        }
    }

    #[test]
    fn a_skipped_message_stays_skipped() {
        assert_eq!(Report::Delivered.applied_to(State::Skipped), None);
    }
}
