//! MySQL and MariaDB: connecting, migrating, and what an error means to a client.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use metrics::gauge;
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPool, MySqlPoolOptions};

use crate::actuator::Weight;
use crate::core::Core;
use crate::problem::Problem;

/// Section `mysql`.
#[derive(Debug, Clone, Deserialize)]
pub struct MySqlSettings {
    /// `mysql://user:password@host:port/database`
    pub url: Option<SecretString>,
    /// Connections at most.
    pub max_connections: u32,
    /// Milliseconds a request waits for a free connection before it is answered 503.
    pub acquire_timeout_ms: u64,
}

/// Lock wait timeout exceeded; deadlock found.
const RETRYABLE: [u16; 2] = [1205, 1213];
const TRIES: u32 = 4;

/// A connection that has been used within this time is taken to be alive.
const FRESH: Duration = Duration::from_secs(1);

/// A pool whose sessions run at READ COMMITTED, in UTC, and wait at most 3 s for a lock. Connects on first use.
pub fn pool(settings: &MySqlSettings) -> anyhow::Result<MySqlPool> {
    let url = settings
        .url
        .as_ref()
        .ok_or_else(|| anyhow::anyhow!("MYSQL_URL is not set"))?;
    let options = MySqlConnectOptions::from_str(url.expose_secret())
        .map_err(|_| anyhow::anyhow!("MYSQL_URL is not a MySQL URL"))?
        .charset("utf8mb4");
    let pool = MySqlPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        // Asking before each use whether the connection is alive would be one more round trip for every request.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                // At REPEATABLE READ a plain read before the lock makes double bookings possible.
                sqlx::raw_sql(
                    "set session transaction isolation level read committed; set session innodb_lock_wait_timeout = 3",
                )
                .execute(connection)
                .await
                .map(drop)
            })
        })
        .connect_lazy_with(options);
    Ok(pool)
}

/// Bring the schema up to date. Instances that start together take turns (`GET_LOCK`).
/// Waits for a server that is not there yet, for at most `patience`.
pub async fn migrate(pool: &MySqlPool, migrator: &Migrator, patience: Duration) -> anyhow::Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        match migrate_in_turn(pool, migrator).await {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() < patience && waits(&error) => {
                tracing::warn!(%error, "the database is not ready; trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// sqlx's own lock waits `-1` seconds: for ever on MySQL, but on MariaDB not at all (`GET_LOCK` gives NULL).
async fn migrate_in_turn(pool: &MySqlPool, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut connection = pool.acquire().await?;
    let turn: Option<i64> =
        sqlx::query_scalar("select get_lock(concat('migrate:', sha2(database(), 224)), 300)")
            .fetch_one(&mut *connection)
            .await?;
    if turn != Some(1) {
        return Err(MigrateError::Execute(sqlx::Error::PoolTimedOut));
    }
    let unlocked = Migrator {
        migrations: migrator.migrations.clone(),
        ignore_missing: migrator.ignore_missing,
        no_tx: migrator.no_tx,
        locking: false,
        ..Migrator::DEFAULT
    };
    let outcome = unlocked.run(&mut *connection).await;
    sqlx::query("do release_lock(concat('migrate:', sha2(database(), 224)))")
        .execute(&mut *connection)
        .await?;
    outcome
}

fn waits(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(cause) => is_away(cause),
        _ => false,
    }
}

/// [`pool`] and [`migrate`] with two minutes of patience.
pub async fn connect(settings: &MySqlSettings, migrator: &Migrator) -> anyhow::Result<MySqlPool> {
    let pool = pool(settings)?;
    migrate(&pool, migrator, Duration::from_mins(2)).await?;
    Ok(pool)
}

/// The server cannot be reached, is shutting down, or has no connection to spare.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Too many connections; server shutdown; connection killed; read-only; lock wait; disk full; interrupted.
        other => {
            number(other).is_some_and(|n| [1040, 1053, 1927, 1290, 1836, 1205, 1213, 1021, 1317].contains(&n))
        }
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error
        .as_database_error()?
        .try_downcast_ref::<MySqlDatabaseError>()
        .map(MySqlDatabaseError::number)
}

/// What the client hears of `error`: 503 when the server is away, else 500. The cause is logged here, once.
pub fn problem(error: &sqlx::Error) -> Problem {
    if is_away(error) {
        tracing::warn!(%error, "database away");
        Problem::unavailable("the database cannot be reached at the moment")
    } else {
        tracing::error!(%error, "database error");
        Problem::internal()
    }
}

/// The name of the unique key that `error` violates, without its table.
pub fn violated_key(error: &sqlx::Error) -> Option<&str> {
    let database = error.as_database_error().filter(|e| e.is_unique_violation())?;
    // MySQL says "… for key 'table.name'", MariaDB "… for key 'name'".
    let quoted = database.message().rsplit("for key ").next()?.trim_matches('\'');
    Some(quoted.rsplit('.').next().unwrap_or(quoted))
}

/// The transaction lost a deadlock or waited too long for a lock: doing it again is right.
pub fn is_retryable(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|n| RETRYABLE.contains(&n))
}

/// Run `work` again, with growing random pauses, while `retryable` says that its error is worth it; 4 tries.
pub async fn retry<T, E, F>(retryable: impl Fn(&E) -> bool, mut work: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for attempt in 1..TRIES {
        match work().await {
            Err(error) if retryable(&error) => {
                let pause = rand::rng().random_range(1..=10 * u64::from(attempt));
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            done => return done,
        }
    }
    work().await
}

/// Show `pool` to whoever watches the service: the health component `db`, and how many connections there are.
pub fn watch(core: &Core, pool: &MySqlPool) {
    let checked = pool.clone();
    core.health.add("db", Weight::Needed, move || {
        let pool = checked.clone();
        async move { ping(&pool).await }
    });
    let (pool, name) = (pool.clone(), core.name);
    core.actuator.observe(move || observe(&pool, name));
}

/// Under the names of Spring's pool and of its metrics for pools of any kind: dashboards know either.
fn observe(pool: &MySqlPool, name: &'static str) {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let (all, idle) = (f64::from(pool.size()), count(pool.num_idle()));
    let (most, least) = (
        pool.options().get_max_connections(),
        pool.options().get_min_connections(),
    );
    gauge!("hikaricp_connections", "pool" => name).set(all);
    for (kind, number) in [
        ("active", (all - idle).max(0.0)),
        ("idle", idle),
        ("max", f64::from(most)),
        ("min", f64::from(least)),
    ] {
        gauge!(format!("hikaricp_connections_{kind}"), "pool" => name).set(number);
        gauge!(format!("jdbc_connections_{kind}"), "name" => name).set(number);
    }
}

async fn ping(pool: &MySqlPool) -> Result<serde_json::Value, String> {
    let answer = sqlx::query_scalar::<_, String>("select version()")
        .fetch_one(pool)
        .await;
    answer
        .map(|version| serde_json::json!({ "database": "MySQL", "version": version }))
        .map_err(|e| e.to_string())
}
