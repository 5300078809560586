//! Rows to lock. Order, to avoid deadlocks: business rows first, then `revocations`, then `audit`.

use sqlx::MySqlConnection;

/// What is serialized across all instances.
#[derive(Debug, Clone, Copy)]
pub enum Guard {
    /// Who is an active administrator.
    Admins,
    /// Which keys there are.
    SigningKeys,
}

impl Guard {
    fn name(self) -> &'static str {
        match self {
            Self::Admins => "admins",
            Self::SigningKeys => "signing-keys",
        }
    }
}

/// Be the only one behind this guard until the transaction ends.
pub async fn lock(connection: &mut MySqlConnection, guard: Guard) -> sqlx::Result<()> {
    sqlx::query!("select value from guards where name = ? for update", guard.name())
        .fetch_one(connection)
        .await?;
    Ok(())
}
