//! Messages that may have gone out already: their provider took them or not, and never said.

use super::prepare::{Content, Ready};
use super::{Decision, Sender};
use crate::domain::outcome::{Next, resend};
use crate::domain::status::State;
use crate::store::claims::Claimed;
use crate::store::ledger;
use crate::transport::Trace;

/// What the ledger says of a message whose fate stayed unknown.
pub(super) const UNKNOWN: &str = "unknown-outcome";

impl Sender {
    /// What is known by now of a message in doubt; `None`: it may be sent.
    pub(super) async fn settle_doubt(
        &self,
        one: &Claimed,
        decision: &Decision,
    ) -> sqlx::Result<Option<Next>> {
        if one.state != State::Ambiguous {
            return Ok(None);
        }
        let unknown = || Some(Next::Failed(UNKNOWN.to_owned()));
        match decision {
            Decision::Postpone(_) | Decision::Fail(_) => Ok(None),
            // It may have been read before it became superfluous: not skipped for certain.
            Decision::Skip(_) => Ok(unknown()),
            Decision::Send(ready) => match self.trace(one, ready).await? {
                Trace::Found(id) => Ok(Some(Next::Sent(Some(id)))),
                Trace::Absent => Ok(None),
                Trace::Unknown if resend(one.template.resend(), one.possible_duplicate) => Ok(None),
                Trace::Unknown => Ok(unknown()),
            },
        }
    }

    async fn trace(&self, one: &Claimed, ready: &Ready) -> sqlx::Result<Trace> {
        let Content::Sms(body) = &ready.content else {
            return Ok(Trace::Unknown);
        };
        let Some(candidates) = self.sms.sent_since(&ready.address, body, one.created_at).await else {
            return Ok(Trace::Unknown);
        };
        let mut db = self.pool.acquire().await?;
        for id in candidates {
            // The same words to the same person may be another message of ours.
            if !ledger::knows(&mut db, &id).await? {
                return Ok(Trace::Found(id));
            }
        }
        Ok(Trace::Absent)
    }
}
