//! Rules: no I/O, no clock, no async.

pub mod address;
pub mod audience;
pub mod channel;
pub mod outcome;
pub mod preferences;
pub mod reminder;
pub mod status;
pub mod template;
pub mod text;
pub mod texts;
pub mod visit;
pub mod wording;
