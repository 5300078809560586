//! SQL and nothing else: functions on a connection, one file per table.

pub mod audit;
pub mod credentials;
pub mod doctors;
pub mod guards;
pub mod password_resets;
pub mod revocations;
pub mod second_factors;
pub mod sessions;
pub mod signing_keys;
pub mod throttles;
pub mod users;

/// A stored value that this program did not write.
fn unreadable(column: &'static str, cause: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: cause.to_string().into(),
    }
}
