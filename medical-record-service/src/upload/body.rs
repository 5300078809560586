//! The request body as a guarded stream: bounded in all, bounded between two pieces of content, bounded in time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, Sleep};

/// Bytes that may arrive without becoming content: headers of a part, a preamble, an endless boundary.
const OVERHEAD: usize = 256 * 1024;
/// How much of a refused body is still read, so that the client is ready to hear why.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Why a body was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// More bytes than a form with the largest file has.
    #[error("too many bytes")]
    TooLarge,
    /// Too many bytes that are no content.
    #[error("too much besides content")]
    Overhead,
    /// Nothing came for too long, or it took too long in all.
    #[error("too slow")]
    TooSlow,
    /// The client went away.
    #[error("ended early")]
    Ended,
}

/// How much of a body is taken, and how long that may last.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: u64,
    pub idle: Duration,
    pub total: Duration,
}

/// The body, shared by the parser's stream and the reader above the parser.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

struct State {
    body: BodyDataStream,
    left: u64,
    since_content: usize,
    cut: Option<Cut>,
}

/// The stream below the parser.
pub struct Guarded {
    shared: Shared,
    idle: Duration,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
    yielded: bool,
}

/// Guard `body`: the stream for the parser, and the reader's hold on it.
pub fn guard(body: Body, limits: Limits) -> (Guarded, Shared) {
    let state = State {
        body: body.into_data_stream(),
        left: limits.bytes,
        since_content: 0,
        cut: None,
    };
    let shared = Shared(Arc::new(Mutex::new(state)));
    let guarded = Guarded {
        shared: shared.clone(),
        idle: limits.idle,
        deadline: Instant::now() + limits.total,
        timer: Box::pin(tokio::time::sleep(limits.idle.min(limits.total))),
        yielded: false,
    };
    (guarded, shared)
}

impl Shared {
    /// Content came out of the parser.
    pub fn content(&self) {
        self.with(|state| state.since_content = 0);
    }

    /// Why the body was cut, if it was.
    pub fn cut(&self) -> Option<Cut> {
        self.with(|state| state.cut)
    }

    /// Read on without keeping anything.
    pub async fn drain(&self) {
        discard(&mut stream::poll_fn(|context| {
            self.with(|state| state.body.poll_next_unpin(context))
        }))
        .await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Read and drop what comes, within bounds.
pub async fn discard<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let rest = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(bytes)) = body.next().await {
            match left.checked_sub(bytes.len()) {
                Some(fewer) => left = fewer,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
}

impl State {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        match self.body.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(self.account(&bytes).map(|()| bytes))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Cut::Ended))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn account(&mut self, bytes: &Bytes) -> Result<(), Cut> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Cut::TooLarge)?;
        if self.since_content > OVERHEAD {
            return Err(Cut::Overhead);
        }
        self.since_content += bytes.len();
        Ok(())
    }
}

impl Stream for Guarded {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The parser polls until nothing is ready and keeps all it gets: one piece at a time, so that it has
        // to hand out content in between.
        if std::mem::take(&mut self.yielded) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.shared.with(|state| state.poll(context));
        let next = match polled {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(next)) => next,
            Poll::Pending if self.timer.as_mut().poll(context).is_pending() => return Poll::Pending,
            Poll::Pending => Err(Cut::TooSlow),
        };
        self.yielded = true;
        let until = (Instant::now() + self.idle).min(self.deadline);
        self.timer.as_mut().reset(until);
        if let Err(cut) = next {
            self.shared.with(|state| state.cut = Some(cut));
        }
        Poll::Ready(Some(next))
    }
}
