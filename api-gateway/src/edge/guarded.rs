//! A client's byte stream, watched: strict framing and no waiting without end.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::domain::framing::{Framing, HeadLimits, Phase, Violation};

/// How long a client may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a whole head, from its first byte.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For the next byte of a body, and for taking the next byte of an answer.
    pub stall: Duration,
    /// Bytes per second of waiting that a body must bring.
    pub body_floor: u64,
}

/// Waiting for a body is not measured before this much of it.
const FLOOR_GRACE: Duration = Duration::from_secs(10);

/// The stream of one connection.
pub struct Guarded<S> {
    stream: S,
    framing: Framing,
    patience: Patience,
    /// Bytes of a head that came in pieces. The HTTP library sees heads as a whole only: of a piece it would say that
    /// it is wrong without a word of ours.
    held: Vec<u8>,
    /// So many of them can be handed on.
    whole: usize,
    violation: Option<Violation>,
    /// The peer was waited for in vain.
    given_up: bool,
    reading: Reading,
    read_alarm: Alarm,
    write_alarm: Alarm,
    writing_since: Option<Instant>,
    /// Requests of this connection that are being answered.
    answering: Rc<Cell<usize>>,
}

/// How long the peer has kept us waiting.
struct Reading {
    message: u64,
    phase: Phase,
    deadline: Instant,
    waiting_since: Option<Instant>,
    waited_for_body: Duration,
    body_bytes: u64,
}

impl<S> Guarded<S> {
    /// Watch `stream`.
    ///
    /// `answering` counts the requests that are being answered: meanwhile the peer need not say anything.
    pub fn new(stream: S, limits: HeadLimits, patience: Patience, answering: Rc<Cell<usize>>) -> Self {
        let reading = Reading {
            message: 0,
            phase: Phase::Idle,
            // Whoever connects has something to say.
            deadline: Instant::now() + patience.head,
            waiting_since: None,
            waited_for_body: Duration::ZERO,
            body_bytes: 0,
        };
        Self {
            stream,
            framing: Framing::new(limits),
            held: Vec::new(),
            whole: 0,
            patience,
            violation: None,
            given_up: false,
            reading,
            read_alarm: Alarm::default(),
            write_alarm: Alarm::default(),
            writing_since: None,
            answering,
        }
    }

    /// What was wrong with the bytes, if that is why reading failed.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// What the peer was waited for in vain; waiting between two requests is nothing unusual.
    pub fn gave_up_on(&self) -> Option<&'static str> {
        let waited_for = match self.framing.phase() {
            _ if self.writing_since.is_some() => "answer",
            Phase::Head => "head",
            Phase::Body => "body",
            Phase::Idle => return None,
        };
        self.given_up.then_some(waited_for)
    }

    /// The peer is still sending something, and not too slowly.
    pub fn is_mid_message(&self) -> bool {
        !self.given_up && self.framing.phase() != Phase::Idle
    }

    /// The stream itself, to end it.
    pub fn into_inner(self) -> S {
        self.stream
    }

    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(violation) = self.framing.follow(bytes) {
            self.violation = Some(violation);
            return Err(io::Error::new(io::ErrorKind::InvalidData, violation));
        }
        let (phase, message) = (self.framing.phase(), self.framing.messages());
        let took = self.reading.took(bytes.len(), (phase, message), &self.patience);
        self.given_up |= took.is_err();
        took
    }

    /// Take from what has come into `buf` what must not be handed on yet.
    fn hold(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let unfinished = self.framing.unfinished_head();
        if self.held.is_empty() {
            let whole = buf.filled().len() - unfinished;
            self.held.extend_from_slice(&buf.filled()[whole..]);
            buf.set_filled(whole);
        } else {
            self.held.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            self.whole = self.held.len() - unfinished;
        }
    }

    /// Hand on what was held.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let fitting = self.whole.min(buf.remaining());
        buf.put_slice(&self.held[..fitting]);
        self.held.drain(..fitting);
        self.whole -= fitting;
    }

    /// Fail if the peer has been silent for too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reading.phase == Phase::Body {
            self.reading.waiting_since.get_or_insert_with(Instant::now);
        }
        loop {
            ready!(self.read_alarm.poll(cx, self.reading.deadline));
            if self.reading.phase == Phase::Idle && self.answering.get() > 0 {
                self.reading.deadline = Instant::now() + self.patience.idle;
            } else {
                self.given_up = true;
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// An answer goes out: the next request may take its time from now on.
    fn answered(&mut self) {
        if self.reading.phase == Phase::Idle {
            self.reading.deadline = Instant::now() + self.patience.idle;
        }
    }

    /// Pass on how writing went; fail if the peer has taken nothing for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, went: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if went.is_ready() {
            self.writing_since = None;
            return went;
        }
        let deadline = *self.writing_since.get_or_insert_with(Instant::now) + self.patience.stall;
        ready!(self.write_alarm.poll(cx, deadline));
        self.given_up = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Reading {
    /// Some bytes came; `now` is where they lead.
    fn took(&mut self, bytes: usize, now: (Phase, u64), patience: &Patience) -> io::Result<()> {
        let at = Instant::now();
        let waited = self
            .waiting_since
            .take()
            .map_or(Duration::ZERO, |since| at - since);
        let (phase, message) = now;
        if (phase, message) != (self.phase, self.message) {
            self.waited_for_body = Duration::ZERO;
            self.body_bytes = 0;
            self.deadline = at
                + if phase == Phase::Head {
                    patience.head
                } else {
                    patience.idle
                };
        }
        (self.phase, self.message) = (phase, message);
        if phase == Phase::Body {
            self.deadline = at + patience.stall;
            self.waited_for_body += waited;
            self.body_bytes += bytes as u64;
            let floor = patience.body_floor.saturating_mul(self.waited_for_body.as_secs());
            if self.waited_for_body > FLOOR_GRACE && self.body_bytes < floor {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.whole > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) else {
                return this.wait(cx);
            };
            read?;
            let has_ended = buf.filled().len() == before;
            if let Err(error) = this.follow(&buf.filled()[before..]) {
                buf.set_filled(before);
                return Poll::Ready(Err(error));
            }
            this.hold(buf, before);
            if has_ended || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let went = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.answered();
        this.written(cx, went)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let went = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.answered();
        this.written(cx, went)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let went = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(cx, went)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever drives the connection ends it: there may be something left to say.
        self.poll_flush(cx)
    }
}
