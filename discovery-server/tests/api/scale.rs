//! What ten thousand instances cost. Prints numbers; run it by hand, optimised:
//! `cargo test --release -p discovery-server --test api scale -- --ignored --nocapture`

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::background::Background;
use common::clock::Clock;
use common::discovery::{Discovery, DiscoverySettings};
use reqwest::{Client, Method};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::helpers::{As, CREDENTIALS, http, instance};

const INSTANCES: usize = 10_000;
const APPS: usize = 50;
const STARTS: usize = 200;
const WORKERS: usize = 16;

/// The server as a process of its own, so that its memory and processor time can be told from the test's.
struct Process {
    child: Child,
    base: String,
    http: Client,
}

impl Process {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(env!("CARGO_BIN_EXE_discovery-server"))
            .env("DISCOVERY_SERVER_PORT", port.to_string())
            .env("DISCOVERY_CREDENTIALS", CREDENTIALS)
            .env("SERVICE_SECRET", "discovery-secret")
            .env("LOG_LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            http: http(),
        };
        crate::helpers::eventually("the server listens", || async {
            process
                .http
                .get(format!("{}/livez", process.base))
                .send()
                .await
                .is_ok()
        })
        .await;
        process
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id().unwrap())).unwrap()
    }

    fn memory_mb(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Processor time so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> u16 {
        let (name, secret) = As::Admin.credential().unwrap();
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .basic_auth(name, Some(secret));
        let request = if let Some(body) = body {
            request.json(&body)
        } else {
            request
        };
        request.send().await.unwrap().status().as_u16()
    }
}

fn key(number: usize) -> (String, String) {
    (
        format!("SERVICE-{}", number % APPS),
        format!("10.0.0.1:service:{number}"),
    )
}

/// Send a request for each of the instances, from several workers at once.
async fn for_each(
    process: &Arc<Process>,
    what: fn(usize) -> (Method, String, Option<serde_json::Value>),
    expected: u16,
) {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let process = Arc::clone(process);
        workers.spawn(async move {
            for number in (worker..INSTANCES).step_by(WORKERS) {
                let (method, path, body) = what(number);
                assert_eq!(process.send(method, &path, body).await, expected);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
}

fn registration(number: usize) -> (Method, String, Option<serde_json::Value>) {
    let (app, id) = key(number);
    let mut document = instance(&app, &id);
    document["instance"]["metadata"] = json!({"zone": "a", "management.port": "8081"});
    document["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 30, "durationInSecs": 90});
    document["instance"]["healthCheckUrl"] = json!("http://127.0.0.1:8081/actuator/health");
    document["instance"]["statusPageUrl"] = json!("http://127.0.0.1:8081/actuator/info");
    (Method::POST, format!("/eureka/apps/{app}"), Some(document))
}

fn heartbeat(number: usize) -> (Method, String, Option<serde_json::Value>) {
    let (app, id) = key(number);
    (
        Method::PUT,
        format!("/eureka/apps/{app}/{id}?status=UP&lastDirtyTimestamp=1000"),
        None,
    )
}

/// Time from sending a registration until a reader who waits for changes knows of it.
async fn visibility(process: &Process) -> Vec<Duration> {
    let background = Background::new();
    let url = process.base.replace("://", "://admin:admin-secret-0001@") + "/eureka/";
    let settings = DiscoverySettings {
        url: Some(url.into()),
        ..DiscoverySettings::default()
    };
    let reader = Discovery::start(&settings, &background, Clock::System).unwrap();
    let mut changes = reader.subscribe();
    crate::helpers::eventually("the reader is connected", || async { reader.is_connected() }).await;
    let mut times = Vec::new();
    for number in 0..STARTS {
        let (app, id) = (format!("START-{number}"), format!("start:{number}"));
        let begun = Instant::now();
        assert_eq!(
            process
                .send(
                    Method::POST,
                    &format!("/eureka/apps/{app}"),
                    Some(instance(&app, &id))
                )
                .await,
            204
        );
        while reader.resolve(&app).is_empty() {
            changes.changed().await.unwrap();
        }
        times.push(begun.elapsed());
        assert_eq!(
            process
                .send(Method::DELETE, &format!("/eureka/apps/{app}/{id}"), None)
                .await,
            200
        );
    }
    background.stop();
    times.sort();
    times
}

async fn fetch(process: &Process, accept: &str, encoding: &str) -> (usize, Duration) {
    let begun = Instant::now();
    let request = process
        .http
        .get(format!("{}/eureka/apps", process.base))
        .header("accept", accept);
    let body = request
        .header("accept-encoding", encoding)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    (body.len() / 1024, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for a while and proves nothing"]
async fn scale_of_ten_thousand_instances() {
    let process = Arc::new(Process::start().await);
    println!("memory, empty: {} MB", process.memory_mb());
    let small = visibility(&process).await;
    println!(
        "registered to visible, small registry: p50 {:?} p99 {:?}",
        small[STARTS / 2],
        small[STARTS * 99 / 100]
    );
    let begun = Instant::now();
    for_each(&process, registration, 204).await;
    println!(
        "{INSTANCES} registrations: {:?}; memory {} MB",
        begun.elapsed(),
        process.memory_mb()
    );
    for (accept, encoding) in [
        ("application/json", ""),
        ("application/xml", ""),
        ("application/json", "gzip"),
    ] {
        let (first, again) = (
            fetch(&process, accept, encoding).await,
            fetch(&process, accept, encoding).await,
        );
        println!(
            "full fetch, {accept} {encoding}: {} KB, first {:?}, again {:?}",
            first.0, first.1, again.1
        );
    }
    println!("memory with three bodies kept: {} MB", process.memory_mb());
    let (begun, ticks) = (Instant::now(), process.ticks());
    for _ in 0..3 {
        for_each(&process, heartbeat, 200).await;
    }
    let (elapsed, ticks) = (begun.elapsed().as_secs_f64(), process.ticks() - ticks);
    let beats = 3.0 * f64::from(u32::try_from(INSTANCES).unwrap());
    let seconds = f64::from(u32::try_from(ticks).unwrap()) / 100.0;
    println!(
        "heartbeats: {:.0}/s; {:.1} us of a core each; 10000 instances at 30 s: {:.1} % of a core",
        beats / elapsed,
        seconds / beats * 1e6,
        seconds / beats * 333.0 * 100.0
    );
    let large = visibility(&process).await;
    println!(
        "registered to visible, {INSTANCES} instances: p50 {:?} p99 {:?}",
        large[STARTS / 2],
        large[STARTS * 99 / 100]
    );
    println!("memory at the end: {} MB", process.memory_mb());
}
