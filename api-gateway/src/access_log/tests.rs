use super::*;

fn written(format: LogFormat, level: tracing::Level, lines: usize) -> String {
    let memory = Arc::new(Mutex::new(Vec::new()));
    let log = AccessLog::new(Sink::Memory(Arc::clone(&memory)), format);
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .with_max_level(level);
    let subscriber = subscriber.finish();
    tracing::subscriber::with_default(subscriber, || {
        for line in 0..lines {
            log.write(&Entry {
                at: DateTime::from_timestamp_micros(1_800_000_000_000_042).expect("an instant"),
                request_id: "req-12345678",
                method: "GET",
                route: "/users/{id}",
                status: 200,
                reason: (line == 0).then_some("limit"),
                client: "10.0.0.1",
                actor: Some(Uuid::nil()),
                instance: Some("127.0.0.1:8081"),
                bytes: 12,
                elapsed: Duration::from_micros(345),
            });
        }
    });
    log.flush();
    String::from_utf8(memory.lock().expect("not poisoned").clone()).expect("text")
}

#[test]
fn a_json_line_is_json() {
    let line = written(LogFormat::Json, tracing::Level::INFO, 1);
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["timestamp"], "2027-01-15T08:00:00.000042Z");
    assert_eq!(value["route"], "/users/{id}");
    assert_eq!(value["reason"], "limit");
    assert_eq!(value["elapsed_us"], 345);
    assert_eq!(value["client"], "10.0.0.1");
    assert_eq!(value["actor"], Uuid::nil().to_string());
    assert_eq!(value["instance"], "127.0.0.1:8081");
}

#[test]
fn every_line_arrives_once() {
    let lines = written(LogFormat::Text, tracing::Level::INFO, 1000);
    assert_eq!(lines.lines().count(), 1000);
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with("2027-01-15T08:00:00.000042Z  INFO") && line.contains(" bytes=12 "))
    );
}
#[test]
fn a_level_turns_ordinary_lines_off_but_no_refusal() {
    let lines = written(LogFormat::Text, tracing::Level::WARN, 10);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("reason=limit"), "{lines}");
}

/// An output that takes its time.
struct Slow(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (_open, never) = channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(100));
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_end_waits_until_every_line_is_out() {
    let memory = Arc::new(Mutex::new(Vec::new()));
    let (sink, writer) = Sink::to(Slow(Arc::clone(&memory))).expect("a thread");
    sink.write(b"one ".to_vec());
    sink.write(b"two".to_vec());
    drop(sink);
    writer.finish();
    assert_eq!(*memory.lock().expect("not poisoned"), b"one two");
}
