//! Typed clients of the services' internal APIs, with the wire types that both sides use.

pub mod appointments;
pub mod users;
