//! One line per request, written by hand: the general logger took a fifth of the throughput.
//!
//! A line names the route's template, never the path or its query: paths hold ids of patients. Nothing that a
//! client chose freely is in it.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};
use common::telemetry::LogFormat;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Written out once this much has gathered, or when the worker says so.
const BUFFER: usize = 64 * 1024;
/// Longer than any line.
const LINE: usize = 1024;
/// Buffers that may wait for a slow output; what comes then is lost, rather than requests held up.
const QUEUE: usize = 64;
/// What still waits at the end is given this long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is said about one request.
#[derive(Debug)]
pub struct Entry<'e> {
    pub at: DateTime<Utc>,
    pub request_id: &'e str,
    pub method: &'e str,
    pub route: &'e str,
    pub status: u16,
    /// Why the gateway itself answered.
    pub reason: Option<&'static str>,
    pub client: &'e str,
    pub actor: Option<Uuid>,
    pub instance: Option<&'e str>,
    pub bytes: u64,
    pub elapsed: Duration,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// A thread of its own that writes.
    Output(SyncSender<Vec<u8>>),
    /// For tests.
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Sink {
    /// Write to `output`, from a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to(mut output: impl std::io::Write + Send + 'static) -> std::io::Result<(Self, Writer)> {
        let (sender, lines) = sync_channel::<Vec<u8>>(QUEUE);
        let (working, ended) = channel();
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                while let Ok(lines) = lines.recv() {
                    // A log that cannot be written must not stop the service.
                    let _ = output.write_all(&lines).and_then(|()| output.flush());
                }
                drop(working);
            })?;
        Ok((Self::Output(sender), Writer { ended }))
    }

    fn write(&self, lines: Vec<u8>) {
        match self {
            Self::Output(sender) => {
                if sender.try_send(lines).is_err() {
                    metrics::counter!("gateway_access_log_lost_total").increment(1);
                }
            }
            Self::Memory(memory) => memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(lines),
        }
    }
}

/// The thread behind [`Sink::Output`].
pub struct Writer {
    ended: Receiver<()>,
}

impl Writer {
    /// Wait until every line is written. Every copy of the sink must be gone; an output that takes nothing is not
    /// waited for.
    pub fn finish(self) {
        let _ = self.ended.recv_timeout(LAST_WORDS);
    }
}

/// One worker's lines on their way to the sink.
pub struct AccessLog {
    sink: Sink,
    format: LogFormat,
    buffer: RefCell<String>,
    /// The second that was written last, as text: it is the same for many lines.
    second: Cell<(i64, [u8; 19])>,
}

impl AccessLog {
    /// An empty buffer in front of `sink`.
    pub fn new(sink: Sink, format: LogFormat) -> Self {
        Self {
            sink,
            format,
            buffer: RefCell::default(),
            second: Cell::new((i64::MIN, [0; 19])),
        }
    }

    /// Add a line. One that says why something was refused is for the audit, and no level turns it off.
    pub fn write(&self, entry: &Entry<'_>) {
        let wanted = || tracing::enabled!(target: "api_gateway::access", tracing::Level::INFO);
        if entry.reason.is_none() && !wanted() {
            return;
        }
        let second = self.second(entry.at);
        let second = std::str::from_utf8(&second).unwrap_or_default();
        let mut buffer = self.buffer.borrow_mut();
        if buffer.capacity() == 0 {
            buffer.reserve(BUFFER + LINE);
        }
        let mut line = Line::begin(&mut buffer, self.format, (second, entry.at));
        line.tell(entry);
        line.end();
        if buffer.len() >= BUFFER {
            self.sink.write(std::mem::take(&mut *buffer).into_bytes());
        }
    }

    /// Write out what has gathered.
    pub fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if !buffer.is_empty() {
            self.sink.write(buffer.as_bytes().to_vec());
            buffer.clear();
        }
    }

    fn second(&self, at: DateTime<Utc>) -> [u8; 19] {
        let (last, text) = self.second.get();
        if last == at.timestamp() {
            return text;
        }
        let mut fresh = [0; 19];
        let mut rest = fresh.as_mut_slice();
        // Nineteen bytes for any year of four digits.
        let _ = write!(
            rest,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        );
        self.second.set((at.timestamp(), fresh));
        fresh
    }
}

/// One line in the making, put together from texts: formatting took longer than all of the checks.
struct Line<'l> {
    out: &'l mut String,
    format: LogFormat,
    digits: itoa::Buffer,
}

impl<'l> Line<'l> {
    fn begin(out: &'l mut String, format: LogFormat, (second, at): (&str, DateTime<Utc>)) -> Self {
        let mut digits = itoa::Buffer::new();
        // The leading one keeps the zeros after it.
        let micros = &digits.format(1_000_000 + at.timestamp_subsec_micros())[1..];
        let (before, after) = match format {
            LogFormat::Text => ("", "Z  INFO api_gateway::access:"),
            LogFormat::Json => (
                "{\"timestamp\":\"",
                "Z\",\"level\":\"INFO\",\"target\":\"api_gateway::access\"",
            ),
        };
        for part in [before, second, ".", micros, after] {
            out.push_str(part);
        }
        Self { out, format, digits }
    }

    fn tell(&mut self, entry: &Entry<'_>) {
        self.text("request_id", entry.request_id);
        self.text("method", entry.method);
        self.text("route", entry.route);
        self.number("status", entry.status.into());
        self.text("client", entry.client);
        self.number("bytes", entry.bytes);
        self.number(
            "elapsed_us",
            u64::try_from(entry.elapsed.as_micros()).unwrap_or(u64::MAX),
        );
        if let Some(actor) = entry.actor {
            self.text(
                "actor",
                actor.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]),
            );
        }
        if let Some(instance) = entry.instance {
            self.text("instance", instance);
        }
        if let Some(reason) = entry.reason {
            self.text("reason", reason);
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        let [before, between, after] = match self.format {
            LogFormat::Text => [" ", "=", ""],
            LogFormat::Json => [",\"", "\":\"", "\""],
        };
        for part in [before, name, between, value, after] {
            self.out.push_str(part);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        let [before, between] = match self.format {
            LogFormat::Text => [" ", "="],
            LogFormat::Json => [",\"", "\":"],
        };
        for part in [before, name, between, self.digits.format(value)] {
            self.out.push_str(part);
        }
    }

    fn end(self) {
        self.out.push_str(match self.format {
            LogFormat::Text => "\n",
            LogFormat::Json => "}\n",
        });
    }
}

#[cfg(test)]
mod tests;
