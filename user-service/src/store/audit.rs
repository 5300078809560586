//! Table `audit`: only ever inserted into.

use chrono::{DateTime, Utc};
use common::context::RequestContext;
use common::ids::{SessionId, UserId};
use sqlx::MySqlConnection;

use super::unreadable;
use crate::domain::audit::{Entry, Mark, Row};
use aws_lc_rs::hmac;

/// Which entries a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Concerning or done by this user.
    pub user: Option<UserId>,
    pub action: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// Append `entry` to the chain. Locks its head: do it last in a transaction.
pub async fn append(
    connection: &mut MySqlConnection,
    key: &hmac::Key,
    entry: Entry,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let head = sqlx::query!("select value, mark from guards where name = 'audit' for update")
        .fetch_one(&mut *connection)
        .await?;
    let row = Row {
        seq: head.value + 1,
        at: now,
        action: entry.action.to_owned(),
        outcome: entry.outcome.as_str().to_owned(),
        actor: entry.actor,
        user: entry.user,
        session: entry.session,
        address: entry.address,
        request_id: RequestContext::current().map(|context| context.request_id.to_string()),
        details: serde_json::Value::Object(entry.details).to_string(),
    };
    let mac = row.chained(key, &head.mark);
    insert(connection, &row, &mac).await?;
    sqlx::query!(
        "update guards set value = ?, mark = ? where name = 'audit'",
        row.seq,
        &mac[..]
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn insert(connection: &mut MySqlConnection, row: &Row, mac: &[u8; 32]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into audit (seq, at, action, outcome, actor_id, user_id, session_id, address, request_id, details, mac)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row.seq,
        row.at,
        row.action,
        row.outcome,
        row.actor,
        row.user,
        row.session,
        row.address,
        row.request_id,
        row.details,
        &mac[..]
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Entries before number `before`, newest first.
pub async fn list(
    connection: &mut MySqlConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Row>> {
    let Filter {
        user,
        action,
        from,
        to,
    } = filter;
    // With a zone they would travel as TIMESTAMP, which knows nothing before 1970 and after 2038.
    let (from, to) = (from.map(|at| at.naive_utc()), to.map(|at| at.naive_utc()));
    sqlx::query_as!(
        Row,
        r#"select seq, at as "at: _", action, outcome, actor_id as "actor: _", user_id as "user: _",
            session_id as "session: _", address, request_id, details
        from audit
        where seq < ? and (? is null or user_id = ? or actor_id = ?) and (? is null or action = ?)
            and (? is null or at >= ?) and (? is null or at < ?)
        order by seq desc limit ?"#,
        before.unwrap_or(i64::MAX),
        user,
        user,
        user,
        action,
        action,
        from,
        from,
        to,
        to,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Entries after number `after` with their MACs, in the order of the chain.
pub async fn chain(
    connection: &mut MySqlConnection,
    after: i64,
    limit: u32,
) -> sqlx::Result<Vec<(Row, Vec<u8>)>> {
    let rows = sqlx::query!(
        r#"select seq, at as "at: DateTime<Utc>", action, outcome, actor_id as "actor: UserId",
            user_id as "user: UserId", session_id as "session: SessionId", address, request_id, details, mac
        from audit where seq > ? order by seq limit ?"#,
        after,
        limit
    )
    .fetch_all(connection)
    .await?;
    let pair = rows.into_iter().map(|row| {
        let mac = row.mac;
        let row = Row {
            seq: row.seq,
            at: row.at,
            action: row.action,
            outcome: row.outcome,
            actor: row.actor,
            user: row.user,
            session: row.session,
            address: row.address,
            request_id: row.request_id,
            details: row.details,
        };
        (row, mac)
    });
    Ok(pair.collect())
}

/// Number and MAC of the newest entry, as the table of guards has them.
pub async fn head(connection: &mut MySqlConnection) -> sqlx::Result<Mark> {
    let head = sqlx::query!("select value, mark from guards where name = 'audit'")
        .fetch_one(connection)
        .await?;
    Ok(Mark {
        seq: head.value,
        mac: head
            .mark
            .as_slice()
            .try_into()
            .map_err(|e| unreadable("mark", e))?,
    })
}
