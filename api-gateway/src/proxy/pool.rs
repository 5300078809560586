//! One worker's connections to the instances. No other worker touches them, so there is no lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::body::Outgoing;
use super::directory::Instance;
use super::line::Line;
use crate::alarm::Alarm;

/// An answer's head may be this large; its body passes through buffers of the same size.
const BUFFER: usize = 64 * 1024;

/// Idle connections by instance.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

struct Inner {
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    settings: PoolSettings,
}

/// See section `gateway.upstream` of the settings.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    pub connect_timeout: Duration,
    pub idle: Duration,
    pub max_idle: usize,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// An open connection; dropping it closes it.
pub struct Connection {
    pub sender: SendRequest<Outgoing>,
    /// For answers that do not come.
    pub alarm: Alarm,
    driver: AbortHandle,
    /// Has carried a request before, so the other side may just have closed it.
    pub reused: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A sender that is dropped lets a half-sent request go on; this ends it.
        self.driver.abort();
    }
}

impl Pool {
    /// Nothing connected yet.
    pub fn new(settings: PoolSettings) -> Self {
        Self(Rc::new(Inner {
            idle: RefCell::default(),
            settings,
        }))
    }

    /// A connection that has just been used successfully, if there is one.
    pub fn take(&self, instance: &Instance) -> Option<Connection> {
        let mut idle = self.0.idle.borrow_mut();
        let kept = idle.get_mut(&instance.serial)?;
        let now = Instant::now();
        while let Some(Idle { connection, since }) = kept.pop() {
            if now - since < self.0.settings.idle && connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// A new connection.
    ///
    /// # Errors
    /// It cannot be made in time.
    pub async fn connect(&self, instance: &Instance) -> io::Result<Connection> {
        let connecting = TcpStream::connect(instance.address);
        let stream = tokio::time::timeout(self.0.settings.connect_timeout, connecting).await??;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(Line::new(stream)))
            .await
            .map_err(io::Error::other)?;
        // Errors of the connection reach whoever waits for the answer.
        let driver = tokio::task::spawn_local(async move { drop(driver.await) });
        Ok(Connection {
            sender,
            alarm: Alarm::default(),
            driver: driver.abort_handle(),
            reused: false,
        })
    }

    /// Keep a connection for the next request, if it can take one.
    pub fn give_back(&self, instance: &Instance, mut connection: Connection) {
        if !connection.sender.is_ready() {
            return;
        }
        connection.reused = true;
        let mut idle = self.0.idle.borrow_mut();
        let kept = idle.entry(instance.serial).or_default();
        if kept.len() < self.0.settings.max_idle {
            kept.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Close what has not been used for long.
    pub fn sweep(&self) {
        let now = Instant::now();
        let limit = self.0.settings.idle;
        self.0.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| now - idle.since < limit && !idle.connection.sender.is_closed());
            !kept.is_empty()
        });
    }
}
