//! What a single line may look like.

use super::Violation;

/// Whether it is HTTP/1.0.
pub(super) fn request_line(line: &[u8]) -> Result<bool, Violation> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Violation::RequestLine);
    };
    if method.is_empty() || method.len() > 20 || !method.iter().all(u8::is_ascii_uppercase) {
        return Err(Violation::RequestLine);
    }
    if !is_target(target) {
        return Err(Violation::RequestLine);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        _ if version.starts_with(b"HTTP/") => return Err(Violation::Version),
        _ => return Err(Violation::RequestLine),
    }
    // An absolute form or an authority would let the client, not the registry, say where a request goes.
    if target.first() != Some(&b'/') {
        return Err(Violation::Target);
    }
    Ok(version == b"HTTP/1.0")
}

/// What no URI has in it (RFC 3986), as far as browsers keep to that: in a query some send brackets and bars.
fn is_target(target: &[u8]) -> bool {
    let is_in_uri = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>".contains(byte);
    let mut path = target.iter().take_while(|byte| **byte != b'?');
    target.iter().all(is_in_uri) && path.all(|byte| *byte != b'`')
}

/// Name and trimmed value of one header line without its line end.
pub(in crate::domain) fn header_line(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Violation::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(Violation::HeaderLine)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // To the end even if the first byte is wrong: that way the compiler looks at many bytes at once.
    let is_text = value.iter().fold(true, |good, byte| good & is_text(*byte));
    if is_text && !name.is_empty() && name.iter().all(|byte| is_token(*byte)) {
        Ok((name, value.trim_ascii()))
    } else {
        Err(Violation::HeaderLine)
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7e | 0x80..)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte)
}

/// Digits only, and few enough to fit.
pub(super) fn plain_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
    )
}
