//! What runs beside the requests.

use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::TimeDelta;
use common::server;
use sqlx::MySqlConnection;
use tokio_util::sync::CancellationToken;

use crate::domain::audit::{Mark, Verification};
use crate::passwords::serve_resets;
use crate::state::AppState;
use crate::store::{audit, password_resets, revocations, sessions, signing_keys, throttles};

const SWEEP: Duration = Duration::from_mins(10);
/// How much of the audit's end may be cut off without a trace in the logs.
const WITNESS: Duration = Duration::from_mins(1);
const BATCH: u32 = 1000;
/// Days for which ended sessions and resets are kept, for questions.
const KEEP_DAYS: i64 = 30;

/// Start the loops.
pub fn start(state: &AppState) {
    let tasks = &state.core.background;
    let (keyring, db, clock) = (state.keyring.clone(), state.db.clone(), state.core.clock.clone());
    tasks.spawn("signing-keys", |stop| keyring.keep_fresh(db, clock, stop));
    let (feed, clock) = (state.feed.clone(), state.core.clock.clone());
    tasks.spawn("revocation-feed", |stop| feed.run(clock, stop));
    let feed = state.feed.clone();
    tasks.spawn("long-polls", |stop| async move {
        let signalled = stop.run_until_cancelled(server::signal()).await;
        if let Some(Err(error)) = signalled {
            tracing::warn!(%error, "signals cannot be heard");
        }
        feed.close();
    });
    let (worker, wake) = (state.clone(), state.resets.clone());
    tasks.spawn("password-resets", |stop| serve_resets(worker, wake, stop));
    let sweeper = state.clone();
    tasks.spawn("sweep", |stop| sweep(sweeper, stop));
    let witness = state.clone();
    tasks.spawn("audit-head", |stop| witness_audit(witness, stop));
}

/// Write the audit's head into the log now and then and at the stop: logs leave this machine, and show what somebody
/// with the database and its keys would have to cut off there as well.
async fn witness_audit(state: AppState, stop: CancellationToken) {
    let mut told = 0;
    loop {
        let stopped = stop.is_cancelled();
        match head(&state).await {
            Ok(head) if head.seq != told => {
                tracing::info!(audit_head = %head, "the audit so far");
                told = head.seq;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the audit's head cannot be read"),
        }
        if stopped {
            return;
        }
        stop.run_until_cancelled(tokio::time::sleep(WITNESS)).await;
    }
}

async fn head(state: &AppState) -> sqlx::Result<Mark> {
    audit::head(&mut *state.db.acquire().await?).await
}

async fn sweep(state: AppState, stop: CancellationToken) {
    loop {
        if let Err(error) = purge(&state).await {
            tracing::warn!(%error, "old rows cannot be removed");
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(SWEEP))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Remove what nothing needs any more.
pub async fn purge(state: &AppState) -> sqlx::Result<()> {
    let now = state.core.clock.now();
    let old = now - TimeDelta::days(KEEP_DAYS);
    let mut connection = state.db.acquire().await?;
    revocations::purge(&mut connection, now).await?;
    throttles::purge(
        &mut connection,
        now - TimeDelta::hours(state.settings().throttle.forget_h),
    )
    .await?;
    password_resets::purge(&mut connection, old).await?;
    sessions::purge(&mut connection, old).await?;
    signing_keys::purge(&mut connection, old).await?;
    Ok(())
}

/// The number of entries of a whole audit that passes through `expected`, or where it is broken.
pub async fn verify_audit(
    connection: &mut MySqlConnection,
    key: &hmac::Key,
    expected: Option<Mark>,
) -> anyhow::Result<i64> {
    let mut verification = Verification::new(key, expected);
    let head = audit::head(connection).await?;
    let mut after = 0;
    while after < head.seq {
        let rows = audit::chain(connection, after, BATCH).await?;
        let Some((last, _)) = rows.last() else { break };
        after = last.seq;
        // Entries that were added after the head was read are for the next time.
        for (row, mac) in rows.iter().take_while(|(row, _)| row.seq <= head.seq) {
            verification.next(row, mac)?;
        }
    }
    Ok(verification.finish(head.seq, &head.mac)?)
}
