//! SQL and nothing else: functions on a connection.

pub mod claims;
pub mod inbox;
pub mod ledger;
pub mod listing;
pub mod opt_outs;
pub mod provider_events;
pub mod reminders;
pub mod visits;
