//! Bodies on their way through. They are passed on piece by piece and never collected.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::directory::Ticket;
use super::pool::{Connection, Pool};
use crate::domain::breaker::Outcome;

/// Why a body came to no good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the body is larger than this route allows")]
    TooLarge,
    #[error("the body took longer than this route allows")]
    Slow,
    #[error("the client did not send the whole body")]
    Client,
    #[error("the service did not send the whole body")]
    Service,
}

/// How far a client's body has come. Shared by the body and whoever waits for the answer.
#[derive(Debug)]
pub struct Progress {
    state: Cell<State>,
    last_byte: Cell<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    /// Nobody will read the rest.
    Stopped,
    Ended,
    Failed(Broken),
}

impl Progress {
    fn begin() -> Rc<Self> {
        Rc::new(Self {
            state: Cell::new(State::Flowing),
            last_byte: Cell::new(Instant::now()),
        })
    }

    /// All of it has been passed on.
    pub fn has_ended(&self) -> bool {
        self.state.get() == State::Ended
    }

    /// What went wrong on the client's side.
    pub fn failure(&self) -> Option<Broken> {
        match self.state.get() {
            State::Failed(broken) => Some(broken),
            _ => None,
        }
    }

    /// When the last byte was passed on.
    pub fn last_byte(&self) -> Instant {
        self.last_byte.get()
    }

    /// Pass nothing more on: the answer has been given without the rest.
    pub fn stop(&self) {
        if self.state.get() == State::Flowing {
            self.state.set(State::Stopped);
        }
    }
}

/// What is sent to a service.
pub enum Outgoing {
    Empty,
    Upload(Upload),
}

/// A client's body.
pub struct Upload {
    inner: Incoming,
    left: u64,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    progress: Rc<Progress>,
}

impl Upload {
    /// Pass `inner` on, up to `limit` bytes; after `patience` nothing more is waited for.
    pub fn new(inner: Incoming, limit: u64, patience: Duration) -> (Self, Rc<Progress>) {
        let progress = Progress::begin();
        (
            Self {
                inner,
                left: limit,
                deadline: Instant::now() + patience,
                timer: None,
                progress: Rc::clone(&progress),
            },
            progress,
        )
    }

    fn fail(&self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.progress.state.set(State::Failed(broken));
        Poll::Ready(Some(Err(broken)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.progress.state.get() == State::Stopped {
            // The connection is going to be closed; until then its answer can still be read.
            return Poll::Pending;
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(Some(Ok(frame))) => self.pass(frame),
            Poll::Ready(Some(Err(_))) => self.fail(Broken::Client),
            Poll::Ready(None) => {
                self.progress.state.set(State::Ended);
                Poll::Ready(None)
            }
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(length) else {
            return self.fail(Broken::TooLarge);
        };
        if self.inner.is_end_stream() {
            self.progress.state.set(State::Ended);
        }
        self.left = left;
        self.progress.last_byte.set(Instant::now());
        Poll::Ready(Some(Ok(frame)))
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let deadline = self.deadline.into();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.as_mut().poll(cx).is_ready() {
            self.fail(Broken::Slow)
        } else {
            Poll::Pending
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Upload(upload) => upload.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Upload(upload) => upload.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Upload(upload) => upload.inner.size_hint(),
        }
    }
}

/// A service's answer, with the connection that it comes over.
pub struct Relay {
    inner: Incoming,
    /// `host:port`.
    instance: HeaderValue,
    lease: Option<Lease>,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A connection in use. Dropped before the answer has ended, the connection is closed.
pub struct Lease {
    pub connection: Connection,
    pub ticket: Ticket,
    pub pool: Pool,
    pub progress: Option<Rc<Progress>>,
}

impl Lease {
    fn end(self) {
        if self.progress.is_none_or(|progress| progress.has_ended()) {
            self.pool.give_back(&self.ticket.instance, self.connection);
        }
    }
}

impl Relay {
    /// Pass `inner` on; no byte for `stall` breaks it off.
    pub fn new(inner: Incoming, lease: Lease, stall: Duration) -> Self {
        let instance = lease.ticket.instance.authority.clone();
        let mut relay = Self {
            inner,
            instance,
            lease: Some(lease),
            stall,
            timer: None,
        };
        relay.end_if_over();
        relay
    }

    /// Who answers.
    pub fn instance(&self) -> &HeaderValue {
        &self.instance
    }

    fn end_if_over(&mut self) {
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.end();
        }
    }

    fn fail(&mut self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(mut lease) = self.lease.take() {
            lease.ticket.tell(Outcome::Away);
        }
        Poll::Ready(Some(Err(Broken::Service)))
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let stall = self.stall;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        if timer.as_mut().poll(cx).is_ready() {
            self.fail()
        } else {
            Poll::Pending
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => this.wait(cx),
            Poll::Ready(Some(Err(_))) => this.fail(),
            Poll::Ready(None) => {
                if let Some(lease) = this.lease.take() {
                    lease.end();
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                this.end_if_over();
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
