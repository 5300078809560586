use super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 1024,
    lines: 8,
    request_line: 256,
};

fn follow(bytes: &[u8]) -> Result<Phase, Violation> {
    let mut framing = Framing::new(LIMITS);
    framing.follow(bytes)?;
    Ok(framing.phase())
}

/// A request with `headers` besides a good `Host`.
fn with(headers: &str) -> Vec<u8> {
    format!("POST /login HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes()
}

#[test]
fn good_messages_pass_in_one_piece_and_in_single_bytes() {
    let good: [(&[u8], Phase); 6] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Phase::Idle),
        (b"GET / HTTP/1.0\r\n\r\n", Phase::Idle),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /", Phase::Head),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
            Phase::Body,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length:3 \r\n\r\nabcGET",
            Phase::Head,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            Phase::Idle,
        ),
    ];
    for (bytes, phase) in good {
        assert_eq!(follow(bytes), Ok(phase), "{}", String::from_utf8_lossy(bytes));
        let mut framing = Framing::new(LIMITS);
        for byte in bytes {
            framing.follow(&[*byte]).expect("the same bytes one by one");
        }
        assert_eq!(framing.phase(), phase);
    }
}

#[test]
fn lengths_that_two_parsers_could_read_differently_are_refused() {
    let tricks = [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Violation::Contradiction,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Violation::Contradiction,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Violation::ContentLength,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Violation::ContentLength,
        ),
        ("Content-Length: 5, 5\r\n", Violation::ContentLength),
        ("Content-Length: +5\r\n", Violation::ContentLength),
        ("Content-Length: -5\r\n", Violation::ContentLength),
        ("Content-Length: 5 5\r\n", Violation::ContentLength),
        ("Content-Length: 0x5\r\n", Violation::ContentLength),
        ("Content-Length:\r\n", Violation::ContentLength),
        (
            "Content-Length: 99999999999999999999\r\n",
            Violation::ContentLength,
        ),
        ("Content-Length : 5\r\n", Violation::HeaderLine),
        (
            "Transfer-Encoding: chunked, identity\r\n",
            Violation::TransferEncoding,
        ),
        (
            "Transfer-Encoding: identity, chunked\r\n",
            Violation::TransferEncoding,
        ),
        ("Transfer-Encoding: xchunked\r\n", Violation::TransferEncoding),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Violation::TransferEncoding,
        ),
        ("Transfer-Encoding:\x0bchunked\r\n", Violation::HeaderLine),
        ("Transfer-Encoding: gzip\r\n", Violation::TransferEncoding),
    ];
    for (headers, violation) in tricks {
        assert_eq!(follow(&with(headers)), Err(violation), "{headers}");
    }
    let old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(follow(old), Err(Violation::TransferEncoding));
}

#[test]
fn lines_that_two_parsers_could_split_differently_are_refused() {
    let tricks: [(&[u8], Violation); 9] = [
        (b"GET / HTTP/1.1\nHost: a\n\n", Violation::LineEnding),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Violation::LineEnding),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Violation::LineEnding),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            Violation::Folded,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded: 1\r\n\r\n",
            Violation::Folded,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n",
            Violation::HeaderLine,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            Violation::HeaderLine,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            Violation::HeaderLine,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n",
            Violation::HeaderLine,
        ),
    ];
    for (bytes, violation) in tricks {
        assert_eq!(
            follow(bytes),
            Err(violation),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn the_request_line_has_one_form() {
    let tricks = [
        ("GET  / HTTP/1.1", Violation::RequestLine),
        ("GET /a b HTTP/1.1", Violation::RequestLine),
        ("GET /", Violation::RequestLine),
        ("get / HTTP/1.1", Violation::RequestLine),
        ("GET\t/ HTTP/1.1", Violation::RequestLine),
        (" GET / HTTP/1.1", Violation::RequestLine),
        ("GET /\u{e9} HTTP/1.1", Violation::RequestLine),
        ("GET http://169.254.169.254/ HTTP/1.1", Violation::Target),
        ("CONNECT a:80 HTTP/1.1", Violation::Target),
        ("OPTIONS * HTTP/1.1", Violation::Target),
        ("PRI * HTTP/2.0", Violation::Version),
        ("GET / HTTP/1.2", Violation::Version),
        ("GET / http/1.1", Violation::RequestLine),
    ];
    for (line, violation) in tricks {
        let bytes = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(follow(bytes.as_bytes()), Err(violation), "{line}");
    }
}

#[test]
fn host_stands_there_exactly_once() {
    assert_eq!(follow(b"GET / HTTP/1.1\r\n\r\n"), Err(Violation::Host));
    assert_eq!(follow(&with("host: b\r\n")), Err(Violation::Host));
}

#[test]
fn heads_are_bounded_even_if_they_never_end() {
    let many = "A: b\r\n".repeat(8);
    assert_eq!(follow(&with(&many)), Err(Violation::HeadTooLarge));
    assert_eq!(
        follow(&with(&format!("A: {}\r\n", "b".repeat(1000)))),
        Err(Violation::HeadTooLarge)
    );
    assert_eq!(
        follow(format!("GET /{}", "a".repeat(300)).as_bytes()),
        Err(Violation::TargetTooLong)
    );
    assert_eq!(follow(&b"\r\n".repeat(600)), Err(Violation::HeadTooLarge));
}

#[test]
fn every_violation_has_a_client_status() {
    assert_eq!(Violation::HeadTooLarge.status(), 431);
    assert_eq!(Violation::TargetTooLong.status(), 414);
    assert_eq!(Violation::Version.status(), 505);
    assert_eq!(Violation::Contradiction.status(), 400);
}
