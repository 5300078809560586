//! One canonical form of a path: whatever else a client writes is refused before any route is looked for.
//!
//! No template here has a segment that needs escaping, so an escape, a `;`, an empty or a dotted segment is
//! only ever an attempt to make two parsers disagree about the same path.

/// Longer than any path that a template can match.
const MAX_LENGTH: usize = 512;

/// Why a path is not in canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    #[error("the path is too long")]
    TooLong,
    #[error("the path has an empty segment")]
    EmptySegment,
    #[error("the path has a dot segment")]
    DotSegment,
    #[error("the path has a character that no path here needs")]
    Character,
}

/// The path itself, if it is in the one form in which routes are written.
///
/// # Errors
/// Anything that another parser could read in another way.
pub fn canonical(path: &str) -> Result<&str, NotCanonical> {
    let inner = path.strip_prefix('/').ok_or(NotCanonical::NotAbsolute)?;
    if path.len() > MAX_LENGTH {
        return Err(NotCanonical::TooLong);
    }
    if inner.is_empty() {
        return Ok(path);
    }
    let trimmed = inner.strip_suffix('/').unwrap_or(inner);
    for segment in trimmed.split('/') {
        check(segment)?;
    }
    Ok(path)
}

fn check(segment: &str) -> Result<(), NotCanonical> {
    match segment {
        "" => Err(NotCanonical::EmptySegment),
        "." | ".." => Err(NotCanonical::DotSegment),
        _ if segment.bytes().all(is_unreserved) => Ok(()),
        _ => Err(NotCanonical::Character),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass_unchanged() {
        for path in [
            "/",
            "/login",
            "/.well-known/jwks.json",
            "/users/0190c3a0-0000-7000-8000-000000000000",
            "/a/",
        ] {
            assert_eq!(canonical(path), Ok(path));
        }
    }

    #[test]
    fn everything_that_could_be_read_twice_is_refused() {
        let tricks = [
            ("", NotCanonical::NotAbsolute),
            ("users", NotCanonical::NotAbsolute),
            ("*", NotCanonical::NotAbsolute),
            ("//users", NotCanonical::EmptySegment),
            ("/users//me", NotCanonical::EmptySegment),
            ("//", NotCanonical::EmptySegment),
            ("/./users", NotCanonical::DotSegment),
            ("/users/../audit", NotCanonical::DotSegment),
            ("/users/..", NotCanonical::DotSegment),
            ("/users/..%2f..%2factuator", NotCanonical::Character),
            ("/%2e%2e/actuator", NotCanonical::Character),
            ("/users/%00", NotCanonical::Character),
            ("/users;x=1", NotCanonical::Character),
            ("/users/me;", NotCanonical::Character),
            ("/users\\me", NotCanonical::Character),
            ("/users/m\u{e9}", NotCanonical::Character),
            ("/%75sers", NotCanonical::Character),
            ("/a:b@c", NotCanonical::Character),
        ];
        for (path, reason) in tricks {
            assert_eq!(canonical(path), Err(reason), "{path}");
        }
        assert_eq!(
            canonical(&format!("/{}", "a".repeat(600))),
            Err(NotCanonical::TooLong)
        );
    }
}
