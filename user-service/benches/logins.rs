//! How much of what the processors can hash becomes logins: `make bench-logins`.

#![expect(clippy::unwrap_used, reason = "panicking is how it fails")]
#![expect(clippy::print_stdout, reason = "it reports")]
#![expect(clippy::cast_precision_loss, reason = "small counts")]

#[path = "../tests/api/helpers.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which use more of it"
)]
mod helpers;

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use common::clock::Clock;
use futures_util::future::join_all;

use helpers::{PASSWORD, TestApp, patient_form};

const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;
const CLIENTS: usize = 16;
/// Each client logs in as one after the other, as people do.
const ACCOUNTS_OF_A_CLIENT: usize = 20;

/// Hashes per second on all cores, nothing else in the way.
fn bare_rate() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let count = || {
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(19_456, 2, 1, None).unwrap(),
        );
        let (mut hashes, mut out) = (0, [0; 32]);
        while begun.elapsed() < ROUND {
            argon2
                .hash_password_into(PASSWORD.as_bytes(), &[7; 16], &mut out)
                .unwrap();
            hashes += 1;
        }
        hashes
    };
    let hashes: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    per_second(hashes, begun)
}

async fn login_rate(app: &TestApp) -> f64 {
    let begun = Instant::now();
    let client = |n: usize| async move {
        let mut logins = 0;
        while begun.elapsed() < ROUND {
            let account = n * ACCOUNTS_OF_A_CLIENT + logins % ACCOUNTS_OF_A_CLIENT;
            app.login_as(&address(account), PASSWORD).await.expect(200);
            logins += 1;
        }
        logins
    };
    let logins: usize = join_all((0..CLIENTS).map(client)).await.into_iter().sum();
    per_second(logins, begun)
}

fn address(account: usize) -> String {
    format!("user{account}@x.example")
}

fn per_second(count: usize, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Seconds of processor time that this process has used: what a busy machine cannot blur.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    let ticks: f64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

#[tokio::main]
async fn main() {
    let app = TestApp::start_with(
        "password: {memory_kib: 19456, passes: 2}\nsession: {at_most: 1000000}",
        Clock::System,
    )
    .await;
    for account in 0..CLIENTS * ACCOUNTS_OF_A_CLIENT {
        app.post("/register", &patient_form(&address(account)))
            .await
            .expect(201);
    }
    // The first logins open the connections to the database.
    login_rate(&app).await;
    let (mut bare_sum, mut login_sum) = (0.0, 0.0);
    for round in 1..=ROUNDS {
        let before = processor_seconds();
        let bare = tokio::task::spawn_blocking(bare_rate).await.unwrap();
        let between = processor_seconds();
        let logins = login_rate(&app).await;
        let after = processor_seconds();
        bare_sum += bare;
        login_sum += logins;
        let seconds = ROUND.as_secs_f64();
        println!(
            "round {round}: {bare:.1} hashes/s, {logins:.1} logins/s, {:.0} %; processor {:.1} ms a hash, {:.1} ms a login",
            100.0 * logins / bare,
            1000.0 * (between - before) / (bare * seconds),
            1000.0 * (after - between) / (logins * seconds),
        );
    }
    println!(
        "all rounds: {:.0} % of the bare rate",
        100.0 * login_sum / bare_sum
    );
}
