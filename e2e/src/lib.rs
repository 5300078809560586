//! The public API as an outsider uses it: a typed client for `make demo` and for the end-to-end tests.
//!
//! It knows only what is public (paths, fields, statuses) and none of the services' own types, so that a change
//! of the wire format shows here.

pub mod api;
pub mod model;
pub mod refusal;
pub mod session;
pub mod wait;

pub use api::Api;
pub use refusal::{ApiError, Refusal};
pub use session::Session;
