//! One line per request, written by hand: the general logger took a fifth of the throughput.
//!
//! A line names the route's template, never the path or its query: paths hold ids of patients. Nothing that a
//! client chose freely is in it.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};
use common::telemetry::LogFormat;
use uuid::Uuid;

/// Written out once this much has gathered, or when the worker says so.
const BUFFER: usize = 16 * 1024;
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
    pub client: IpAddr,
    pub actor: Option<Uuid>,
    pub instance: Option<std::net::SocketAddr>,
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
        let written = match self.format {
            LogFormat::Text => text(&mut buffer, second, entry),
            LogFormat::Json => json(&mut buffer, second, entry),
        };
        // Writing into a string cannot fail.
        debug_assert!(written.is_ok());
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

fn text(out: &mut String, second: &str, e: &Entry<'_>) -> std::fmt::Result {
    write!(
        out,
        "{second}.{:06}Z  INFO api_gateway::access: request_id={} method={} route={} status={} client={} bytes={} elapsed_us={}",
        e.at.timestamp_subsec_micros(),
        e.request_id,
        e.method,
        e.route,
        e.status,
        e.client,
        e.bytes,
        e.elapsed.as_micros()
    )?;
    if let Some(actor) = e.actor {
        write!(out, " actor={actor}")?;
    }
    if let Some(instance) = e.instance {
        write!(out, " instance={instance}")?;
    }
    if let Some(reason) = e.reason {
        write!(out, " reason={reason}")?;
    }
    out.write_char('\n')
}

fn json(out: &mut String, second: &str, e: &Entry<'_>) -> std::fmt::Result {
    write!(
        out,
        concat!(
            "{{\"timestamp\":\"{}.{:06}Z\",\"level\":\"INFO\",\"target\":\"api_gateway::access\",",
            "\"request_id\":\"{}\",\"method\":\"{}\",\"route\":\"{}\",\"status\":{},\"client\":\"{}\",",
            "\"bytes\":{},\"elapsed_us\":{}"
        ),
        second,
        e.at.timestamp_subsec_micros(),
        e.request_id,
        e.method,
        e.route,
        e.status,
        e.client,
        e.bytes,
        e.elapsed.as_micros()
    )?;
    if let Some(actor) = e.actor {
        write!(out, ",\"actor\":\"{actor}\"")?;
    }
    if let Some(instance) = e.instance {
        write!(out, ",\"instance\":\"{instance}\"")?;
    }
    if let Some(reason) = e.reason {
        write!(out, ",\"reason\":\"{reason}\"")?;
    }
    out.write_str("}\n")
}

#[cfg(test)]
mod tests;
