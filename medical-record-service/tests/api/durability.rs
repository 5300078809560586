//! What was acknowledged outlives a database that is killed: on a server of the test's own.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says where the server's program is"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use common_testing::{Client, Peers, eventually};
use medical_record_service::config::MongoSettings;
use medical_record_service::store;
use medical_record_service::upload::sweeper;
use mongodb::bson::{Document, doc};
use reqwest::Method;

use crate::helpers::{Person, Setup, TestApp, form, part};

/// A mongod that may be killed.
struct Victim {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Victim {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("mongod-{}", common::ids::RecordId::generate()));
        std::fs::create_dir(&folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Self::spawn(&folder, port);
        Self {
            folder,
            port,
            process,
        }
    }

    fn spawn(folder: &PathBuf, port: u16) -> Child {
        let program = std::env::var("TEST_MONGOD")
            .expect("TEST_MONGOD is not set: run `make test`, or `. .dev/test.env`");
        Command::new(program)
            .args([
                "--quiet",
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--wiredTigerCacheSizeGB",
                "0.25",
            ])
            .args(["--port", &port.to_string()])
            .arg("--dbpath")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// SIGKILL, then up again on the same data.
    fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::spawn(&self.folder, self.port);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Bytes that say which upload they belong to, over several blocks.
fn content(number: usize) -> Vec<u8> {
    format!("upload {number:06}\n").repeat(40_000).into_bytes()
}

/// Upload until told to stop; the numbers and ids of what was acknowledged.
async fn write_until(
    app: &TestApp,
    patient: &Person,
    writer: usize,
    stop: &AtomicBool,
) -> Vec<(usize, String)> {
    let mut acknowledged = Vec::new();
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let number = writer * 10_000 + turn;
        let form = form(patient, "OTHER").part("file", part(&content(number), "a.txt", "text/plain"));
        let answer = app.upload(patient, form).await;
        match answer.status.as_u16() {
            201 => acknowledged.push((number, crate::helpers::id_of(&answer))),
            status => assert!(matches!(status, 500 | 503), "{}", answer.text()),
        }
    }
    acknowledged
}

/// A service on the victim's database.
async fn service_on(victim: &Victim) -> TestApp {
    let settings = MongoSettings {
        url: format!("mongodb://127.0.0.1:{}", victim.port).into(),
        database: "records".to_owned(),
        pool_size: 16,
        timeout_ms: 500,
    };
    let db = store::connect(&settings).await.unwrap();
    TestApp::on(db, Peers::start().await, Setup::default()).await
}

async fn answers(app: &TestApp, patient: &Person) {
    eventually("the service answers", || async {
        (app.get(patient, &format!("/records/{}", patient.id)).await.status == 200).then_some(())
    })
    .await;
}

/// Kill the database each time that some more records are written.
async fn kill_thrice(app: &TestApp, victim: &mut Victim) {
    let records = app.db.collection::<Document>("records");
    for round in 1..=3 {
        eventually("some records are written", || async {
            (records.count_documents(doc! {}).await.unwrap_or(0) >= round * 6).then_some(())
        })
        .await;
        victim.kill_and_restart();
    }
}

#[tokio::test]
async fn every_acknowledged_record_is_there_after_the_database_was_killed() {
    let mut victim = Victim::start();
    let app = service_on(&victim).await;
    let patient = app.patient();
    answers(&app, &patient).await;

    let stop = AtomicBool::new(false);
    let killing = async {
        kill_thrice(&app, &mut victim).await;
        answers(&app, &patient).await;
        stop.store(true, Ordering::Relaxed);
    };
    let writers =
        futures_util::future::join_all((0..3).map(|writer| write_until(&app, &patient, writer, &stop)));
    let (acknowledged, ()) = tokio::join!(writers, killing);
    let acknowledged: Vec<_> = acknowledged.into_iter().flatten().collect();
    assert!(
        acknowledged.len() >= 9,
        "{} were acknowledged",
        acknowledged.len()
    );
    for (number, id) in &acknowledged {
        let path = format!("/records/{}/{id}/file", patient.id);
        let answer = Client::send(app.client.request(Method::GET, &path, &patient.token))
            .await
            .expect(200);
        assert!(
            answer.body == content(*number),
            "upload {number} came back as something else"
        );
    }
    nothing_is_half(&app, &patient).await;
}

/// Every record that is listed can be read whole, and after a while nothing else is stored.
async fn nothing_is_half(app: &TestApp, patient: &Person) {
    let records = app.count("records").await;
    let mut path = format!("/records/{}?limit=100", patient.id);
    let mut listed = 0;
    loop {
        let page = app.get(patient, &path).await.expect(200).json();
        for item in page["items"].as_array().unwrap() {
            let file = format!("/records/{}/{}/file", patient.id, item["id"].as_str().unwrap());
            app.get(patient, &file).await.expect(200);
            listed += 1;
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/records/{}?limit=100&cursor={cursor}", patient.id),
            None => break,
        }
    }
    assert_eq!(listed, records);
    app.clock.advance(TimeDelta::days(2));
    sweeper::sweep(&app.db, &app.clock).await.unwrap();
    assert_eq!(
        (app.count("fs.files").await, app.count("uploads").await),
        (records, 0)
    );
    let blocks = (content(0).len() as u64).div_ceil(255 * 1024 - 16);
    assert_eq!(app.count("fs.chunks").await, records * blocks);
}
