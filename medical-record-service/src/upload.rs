//! Receiving a record: fields and perhaps a file, as a form or as JSON, in any order, in bounded memory.

pub mod body;
pub mod file;
pub mod form;
pub mod reception;
pub mod scanner;
pub mod slots;
pub mod sweeper;
pub mod watch;

pub use file::Received;
pub use form::{Defaults, Draft, Fields};
pub use reception::{Parcel, Reception, receive};
pub use watch::unread;
