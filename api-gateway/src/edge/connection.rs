//! One client's connection, from the handshake to an end that lets it read the last answer.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use common::context::{Mark, RequestContext};
use common::problem::{MEDIA_TYPE, Problem};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::guarded::{Guarded, Patience};
use crate::access_log::Entry;
use crate::domain::framing::{HeadLimits, Violation};
use crate::domain::headers;
use crate::gate::answer::Busy;
use crate::gate::visit::{Peer, UNMATCHED};
use crate::gate::{self, Worker};

/// What passes through is buffered up to this size.
const BUFFER: usize = 64 * 1024;

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub head: HeadLimits,
    pub patience: Patience,
    pub linger: Duration,
}

/// When connections end because the gateway does.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Finish what is being answered, and nothing more.
    pub gently: CancellationToken,
    /// At once.
    pub now: CancellationToken,
}

/// Serve `stream` until one of the two sides ends it.
pub async fn serve<S>(worker: Rc<Worker>, stream: S, peer: Peer, manners: Manners, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answering = Rc::new(Cell::new(0));
    let guarded = Guarded::new(stream, manners.head, manners.patience, Rc::clone(&answering));
    let peer = Rc::new(peer);
    let service = {
        let (worker, answering, peer) = (Rc::clone(&worker), Rc::clone(&answering), Rc::clone(&peer));
        service_fn(move |request: Request<Incoming>| {
            let (worker, peer) = (Rc::clone(&worker), Rc::clone(&peer));
            let answer = gate::answer(worker, peer, request, Busy::new(&answering));
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        })
    };
    let mut connection = http1::Builder::new()
        .max_headers(manners.head.lines + 1)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(guarded), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = ending.gently.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = ending.now.cancelled() => return,
            }
        }
    };
    let parts = connection.into_parts();
    let guarded = parts.io.into_inner();
    guarded.gave_up_on().into_iter().for_each(given_up);
    // Between two answers there is room for one that says why; in the middle of one there is none.
    let refusal = guarded.violation().filter(|_| answering.get() == 0);
    let unread = guarded.is_mid_message() || !parts.read_buf.is_empty() || refusal.is_some();
    if ended.is_err() && refusal.is_none() && !unread {
        return;
    }
    let ending_it = async {
        let mut stream = guarded.into_inner();
        if let Some(violation) = refusal {
            let explained = explain(violation).await;
            log(&worker, &peer, &explained);
            stream.write_all(&explained.response).await?;
        }
        end(stream, unread).await
    };
    tokio::select! {
        // Boxed: its buffer would weigh on every connection all the time. Whatever goes wrong here, the
        // connection is over.
        _ = Box::pin(tokio::time::timeout(manners.linger, ending_it)) => {}
        () = ending.now.cancelled() => {}
    }
}

/// End the stream. While the client is still sending, closing it would make the system throw away what it has
/// not read yet: so its sending is read and thrown away for a while.
async fn end<S>(mut stream: S, unread: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.shutdown().await?;
    if unread {
        let mut scrap = [0; 8192];
        while stream.read(&mut scrap).await? > 0 {}
    }
    Ok(())
}

/// The answer to bytes that were no request.
struct Explained {
    status: StatusCode,
    request_id: Mark,
    response: Vec<u8>,
}

async fn explain(violation: Violation) -> Explained {
    let status = StatusCode::from_u16(violation.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let code = match status {
        StatusCode::URI_TOO_LONG => "uri-too-long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "headers-too-large",
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => "version-not-supported",
        _ => "malformed-request",
    };
    let problem = Problem::new(status, code, "The request cannot be read").detail(violation.to_string());
    let context = RequestContext::from_headers(&HeaderMap::new(), "");
    let request_id = context.request_id.clone();
    let document = context
        .scope(async { serde_json::to_vec(&problem.document()) })
        .await
        .unwrap_or_default();
    let mut secured = HeaderMap::new();
    headers::secure(&mut secured);
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nx-request-id: {request_id}\r\nconnection: close\r\n",
        document.len()
    );
    for (name, value) in &secured {
        head.push_str(name.as_str());
        head.push_str(": ");
        head.push_str(value.to_str().unwrap_or_default());
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    let mut response = head.into_bytes();
    response.extend(document);
    Explained {
        status,
        request_id,
        response,
    }
}

/// No request was read, so nothing is known of it but where it came from.
fn log(worker: &Worker, peer: &Peer, explained: &Explained) {
    metrics::counter!("gateway_framing_refusals_total").increment(1);
    worker.log.write(&Entry {
        at: worker.gate.clock.now(),
        request_id: explained.request_id.as_str(),
        method: "-",
        route: UNMATCHED,
        status: explained.status.as_u16(),
        reason: Some("framing"),
        client: peer.text(),
        actor: None,
        instance: None,
        bytes: explained.response.len() as u64,
        elapsed: Duration::ZERO,
    });
}

/// A client was waited for in vain: for its head, its body, or until it takes its answer.
pub fn given_up(waited_for: &'static str) {
    metrics::counter!("gateway_clients_given_up_total", "waited_for" => waited_for).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, E, F>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn ten_thousand_connections_fit_into_little_memory() {
        let connection = size_of_future(serve::<tokio::net::TcpStream>);
        assert!(connection < 4096, "{connection}");
    }
}
