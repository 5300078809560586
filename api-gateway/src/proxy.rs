//! From an admitted request to a service's answer.

pub mod body;
pub mod directory;
pub mod forward;
pub mod line;
pub mod pool;
