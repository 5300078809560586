//! Table `throttles`.

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use crate::domain::throttle::Tally;

/// What failures are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// An account, for strangers.
    Account,
    /// An account at an address from which its owner has logged in before.
    Device,
    /// A network address.
    Address,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "ACCOUNT",
            Self::Device => "DEVICE",
            Self::Address => "ADDRESS",
        }
    }
}

/// Whose failures.
pub type Subject = (Scope, [u8; 32]);

/// What has been counted under each of two subjects of different scopes.
pub async fn find_both(
    connection: &mut MySqlConnection,
    [(one_scope, one), (other_scope, other)]: [&Subject; 2],
) -> sqlx::Result<[Option<Tally>; 2]> {
    let rows = sqlx::query!(
        r#"select scope, failures, updated_at as "updated_at: DateTime<Utc>",
            blocked_until as "blocked_until: DateTime<Utc>"
        from throttles where (scope = ? and subject = ?) or (scope = ? and subject = ?)"#,
        one_scope.as_str(),
        &one[..],
        other_scope.as_str(),
        &other[..]
    )
    .fetch_all(connection)
    .await?;
    let mut tallies = [None, None];
    for row in rows {
        tallies[usize::from(row.scope == other_scope.as_str())] = Some(Tally {
            failures: row.failures,
            updated_at: row.updated_at,
            blocked_until: row.blocked_until,
        });
    }
    Ok(tallies)
}

/// What has been counted, keeping others from counting until the transaction ends.
pub async fn lock(
    connection: &mut MySqlConnection,
    (scope, subject): &Subject,
    now: DateTime<Utc>,
) -> sqlx::Result<Tally> {
    // A row that is not there cannot be locked: two first failures would each count one. (`insert ignore` would take
    // a shared lock on a row that is there, and two of those deadlock.)
    sqlx::query!(
        "insert into throttles (scope, subject, failures, updated_at, blocked_until) values (?, ?, 0, ?, ?)
        on duplicate key update failures = failures",
        scope.as_str(),
        &subject[..],
        now,
        now
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_as!(
        Tally,
        r#"select failures, updated_at as "updated_at: _", blocked_until as "blocked_until: _"
        from throttles where scope = ? and subject = ? for update"#,
        scope.as_str(),
        &subject[..]
    )
    .fetch_one(connection)
    .await
}

/// Write down a tally.
pub async fn save(
    connection: &mut MySqlConnection,
    (scope, subject): &Subject,
    tally: &Tally,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update throttles set failures = ?, updated_at = ?, blocked_until = ? where scope = ? and subject = ?",
        tally.failures,
        tally.updated_at,
        tally.blocked_until,
        scope.as_str(),
        &subject[..]
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forget what has been counted.
pub async fn forget(connection: &mut MySqlConnection, (scope, subject): &Subject) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from throttles where scope = ? and subject = ?",
        scope.as_str(),
        &subject[..]
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forget all that has been quiet since before `before`.
pub async fn purge(connection: &mut MySqlConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from throttles where updated_at < ? limit 5000", before)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
