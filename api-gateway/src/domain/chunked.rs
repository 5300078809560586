//! The chunked transfer coding, read strictly: hexadecimal sizes, no extensions, CR LF after each chunk.

use super::framing::{Violation, header_line};

/// Trailers together may be this long; nothing here reads them.
const MAX_TRAILER_BYTES: usize = 4096;
/// `f` fifteen times is far above every body cap and still cannot overflow.
const MAX_SIZE_DIGITS: usize = 15;

/// Follows one chunked body.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
    partial: Vec<u8>,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

/// What came of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<'b> {
    /// All were taken and the body goes on.
    More,
    /// The body has ended; these belong to the next message.
    Ended(&'b [u8]),
}

impl Chunked {
    /// Follow the next bytes of the body.
    ///
    /// # Errors
    /// [`Violation::Chunk`] for whatever another parser might read differently.
    pub fn follow<'b>(&mut self, mut bytes: &'b [u8]) -> Result<Chunk<'b>, Violation> {
        while !bytes.is_empty() {
            if let State::Data(left) = &mut self.state {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                bytes = &bytes[taken..];
                if *left == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.partial.extend_from_slice(bytes);
                return if self.partial.len() > self.longest_line() {
                    Err(Violation::Chunk)
                } else {
                    Ok(Chunk::More)
                };
            };
            let (piece, rest) = bytes.split_at(end + 1);
            bytes = rest;
            self.partial.extend_from_slice(piece);
            let line = std::mem::take(&mut self.partial);
            if self.line(&line)? {
                return Ok(Chunk::Ended(bytes));
            }
        }
        Ok(Chunk::More)
    }

    fn longest_line(&self) -> usize {
        if matches!(self.state, State::Trailer) {
            MAX_TRAILER_BYTES
        } else {
            MAX_SIZE_DIGITS + 2
        }
    }

    /// Whether the line ended the body.
    fn line(&mut self, line: &[u8]) -> Result<bool, Violation> {
        let line = line.strip_suffix(b"\r\n").ok_or(Violation::Chunk)?;
        match self.state {
            State::Size => {
                self.state = match size(line).ok_or(Violation::Chunk)? {
                    0 => State::Trailer,
                    size => State::Data(size),
                };
            }
            State::Data(_) | State::DataEnd => {
                if !line.is_empty() {
                    return Err(Violation::Chunk);
                }
                self.state = State::Size;
            }
            State::Trailer if line.is_empty() => return Ok(true),
            State::Trailer => {
                self.trailer_bytes += line.len();
                if self.trailer_bytes > MAX_TRAILER_BYTES {
                    return Err(Violation::Chunk);
                }
                header_line(line)?;
            }
        }
        Ok(false)
    }
}

fn size(line: &[u8]) -> Option<u64> {
    if line.is_empty() || line.len() > MAX_SIZE_DIGITS {
        return None;
    }
    line.iter().try_fold(0_u64, |size, byte| {
        Some(size * 16 + u64::from(char::from(*byte).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(body: &[u8]) -> Result<Chunk<'_>, Violation> {
        Chunked::default().follow(body)
    }

    #[test]
    fn a_plain_body_ends_where_the_next_message_begins() {
        assert_eq!(follow(b"5\r\nhello\r\n0\r\n\r\nGET"), Ok(Chunk::Ended(b"GET")));
        assert_eq!(follow(b"0\r\nX-Sum: 1\r\n\r\n"), Ok(Chunk::Ended(b"")));
        assert_eq!(follow(b"00A\r\n0123456789\r\n"), Ok(Chunk::More));
    }

    #[test]
    fn the_body_may_come_byte_by_byte() {
        let mut chunked = Chunked::default();
        let body = b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        for byte in &body[..body.len() - 1] {
            assert_eq!(chunked.follow(&[*byte]), Ok(Chunk::More));
        }
        assert_eq!(chunked.follow(b"\n"), Ok(Chunk::Ended(b"")));
    }

    #[test]
    fn what_another_parser_might_read_differently_is_refused() {
        let tricks: [&[u8]; 12] = [
            b"5\nhello\r\n",
            b"5;ext=1\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"-1\r\n",
            b"\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"ffffffffffffffff0\r\n",
            b"0\r\n folded: 1\r\n\r\n",
            b"00000000000000000000000000000000000000",
        ];
        for trick in tricks {
            assert!(follow(trick).is_err(), "{}", String::from_utf8_lossy(trick));
        }
    }
}
