//! Where one HTTP/1 message ends and the next begins, decided by the strictest reading of RFC 9112.
//!
//! The HTTP library forgives bare line feeds and a `Content-Length` beside `Transfer-Encoding`. Two parsers
//! that forgive differently see different requests in the same bytes, so here nothing is forgiven: this runs
//! over the bytes before the library sees them.

mod lines;

use super::chunked::{Chunk, Chunked};
pub(super) use lines::header_line;
use lines::{plain_number, request_line};

/// How much of a message head is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of request line and headers together.
    pub bytes: usize,
    /// Number of header lines.
    pub lines: usize,
    /// Bytes of the request line.
    pub request_line: usize,
}

/// What is wrong with the bytes; the connection cannot be used after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a line does not end with CR LF")]
    LineEnding,
    #[error("the request line is malformed")]
    RequestLine,
    #[error("the request target must be a path")]
    Target,
    #[error("the request line is too long")]
    TargetTooLong,
    #[error("only HTTP/1.1 is spoken here")]
    Version,
    #[error("a header line is malformed")]
    HeaderLine,
    #[error("a header is continued on a second line")]
    Folded,
    #[error("the headers are too large")]
    HeadTooLarge,
    #[error("Host must be given exactly once")]
    Host,
    #[error("Content-Length is not one plain number")]
    ContentLength,
    #[error("Transfer-Encoding is not plain `chunked`")]
    TransferEncoding,
    #[error("Content-Length and Transfer-Encoding contradict each other")]
    Contradiction,
    #[error("the chunked body is malformed")]
    Chunk,
}

impl Violation {
    /// The HTTP status that names it.
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::Version => 505,
            _ => 400,
        }
    }
}

/// What the peer is in the middle of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Head,
    Body,
}

/// Follows one connection's incoming bytes.
#[derive(Debug)]
pub struct Framing {
    limits: HeadLimits,
    state: State,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    head: Head,
    messages: u64,
}

#[derive(Debug)]
enum State {
    RequestLine,
    Headers,
    Sized(u64),
    Chunked(Chunked),
}

#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    lines: usize,
    hosts: usize,
    old: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// At the beginning of a connection.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            state: State::RequestLine,
            partial: Vec::new(),
            head: Head::default(),
            messages: 0,
        }
    }

    /// Bytes of the head that has not ended yet.
    pub fn unfinished_head(&self) -> usize {
        match self.phase() {
            Phase::Head => self.head.bytes,
            Phase::Idle | Phase::Body => 0,
        }
    }

    /// How many messages have ended.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// What the peer is in the middle of.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::RequestLine if self.head.bytes == 0 => Phase::Idle,
            State::RequestLine | State::Headers => Phase::Head,
            State::Sized(_) | State::Chunked(_) => Phase::Body,
        }
    }

    /// Follow the next bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::RequestLine | State::Headers => bytes = self.follow_head(bytes)?,
                State::Sized(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.begin_message();
                    }
                }
                State::Chunked(chunked) => match chunked.follow(bytes)? {
                    Chunk::More => return Ok(()),
                    Chunk::Ended(rest) => {
                        bytes = rest;
                        self.begin_message();
                    }
                },
            }
        }
        Ok(())
    }

    fn begin_message(&mut self) {
        self.state = State::RequestLine;
        self.head = Head::default();
        self.messages += 1;
    }

    /// Take one line, or all there is of it.
    fn follow_head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Violation> {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.head.bytes += taken;
        if self.head.bytes > self.limits.bytes {
            return Err(Violation::HeadTooLarge);
        }
        let (piece, rest) = bytes.split_at(taken);
        if end.is_none() {
            self.partial.extend_from_slice(piece);
            self.limit_request_line(self.partial.len())?;
        } else if self.partial.is_empty() {
            self.line(piece)?;
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(piece);
            self.line(&line)?;
        }
        Ok(rest)
    }

    fn limit_request_line(&self, length: usize) -> Result<(), Violation> {
        let too_long = matches!(self.state, State::RequestLine) && length > self.limits.request_line;
        if too_long {
            Err(Violation::TargetTooLong)
        } else {
            Ok(())
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let line = line.strip_suffix(b"\r\n").ok_or(Violation::LineEnding)?;
        if matches!(self.state, State::RequestLine) {
            if line.is_empty() {
                // Some clients end a body with one line end too many; RFC 9112 §2.2 lets it pass.
                return Ok(());
            }
            self.limit_request_line(line.len())?;
            self.head.old = request_line(line)?;
            self.state = State::Headers;
            return Ok(());
        }
        if line.is_empty() {
            self.state = self.head.body()?;
            if matches!(self.state, State::RequestLine) {
                self.begin_message();
            }
            return Ok(());
        }
        self.head.lines += 1;
        if self.head.lines > self.limits.lines {
            return Err(Violation::HeadTooLarge);
        }
        self.head.header(line)
    }
}

impl Head {
    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        let (name, value) = header_line(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = plain_number(value).ok_or(Violation::ContentLength)?;
            if self.length.replace(length).is_some() {
                return Err(Violation::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || self.old || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation::TransferEncoding);
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// What follows the empty line.
    fn body(&self) -> Result<State, Violation> {
        if self.hosts > 1 || (self.hosts == 0 && !self.old) {
            return Err(Violation::Host);
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Violation::Contradiction),
            (None, true) => Ok(State::Chunked(Chunked::default())),
            (Some(length), false) if length > 0 => Ok(State::Sized(length)),
            _ => Ok(State::RequestLine),
        }
    }
}

#[cfg(test)]
mod tests;
