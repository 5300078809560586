//! An answer on its way to the client, counted and logged when its last byte has gone.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use common::actuator::exchanges::Exchange;
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Worker;
use super::visit::Visit;
use crate::access_log::Entry;
use crate::proxy::body::Relay;
use crate::routes::Pages;

/// Whose answer it is.
pub enum Answer {
    Own(Body),
    Relay(Relay),
}

/// A request of a connection that is being answered, for as long as this lives.
pub struct Busy(Rc<Cell<usize>>);

impl Busy {
    /// One more.
    pub fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What is counted and logged about a request when this is dropped: after its last byte, or when the client goes.
pub struct Record {
    pub visit: Visit,
    worker: Rc<Worker>,
    status: u16,
    bytes: u64,
    _busy: Busy,
}

/// The client went away before there was an answer: nginx's number for it.
const CLIENT_GONE: u16 = 499;

impl Record {
    /// Nothing has been answered yet.
    ///
    /// Boxed, for it is large and on its way through many hands.
    pub fn begin(visit: Visit, worker: Rc<Worker>, busy: Busy) -> Box<Self> {
        Box::new(Self {
            visit,
            worker,
            status: CLIENT_GONE,
            bytes: 0,
            _busy: busy,
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (visit, gate) = (&self.visit, &self.worker.gate);
        let (end, at) = (Instant::now(), gate.clock.now());
        let elapsed = end - visit.begun;
        let template = visit.template();
        gate.meter(visit)
            .record(&visit.method, self.status, (elapsed, end));
        if Pages::is_probe(template) {
            return;
        }
        Exchange {
            at,
            method: visit.method.clone(),
            route: visit.shared_template(),
            status: StatusCode::from_u16(self.status).unwrap_or_default(),
            elapsed,
        }
        .remember();
        let gone = (self.status == CLIENT_GONE).then_some("client-gone");
        self.worker.log.write(&Entry {
            at,
            request_id: visit.context.request_id.as_str(),
            method: visit.method.as_str(),
            route: template,
            status: self.status,
            reason: visit.reason.or(gone),
            client: visit.client_text(),
            actor: visit.actor,
            instance: visit
                .instance
                .as_ref()
                .and_then(|instance| instance.to_str().ok()),
            bytes: self.bytes,
            elapsed,
        });
    }
}

/// An answer that is recorded when it has ended or was given up.
pub struct Tracked {
    answer: Answer,
    record: Box<Record>,
}

impl Tracked {
    /// Follow `response` to its end.
    pub fn wrap(response: Response<Answer>, mut record: Box<Record>) -> Response<Self> {
        record.status = response.status().as_u16();
        response.map(|answer| Self { answer, record })
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = match &mut this.answer {
            Answer::Own(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(Into::into)),
            Answer::Relay(relay) => {
                ready!(Pin::new(relay).poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
        };
        if let Some(Ok(frame)) = &frame {
            this.record.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.answer {
            Answer::Own(body) => body.is_end_stream(),
            Answer::Relay(relay) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answer {
            Answer::Own(body) => body.size_hint(),
            Answer::Relay(relay) => relay.size_hint(),
        }
    }
}
