//! An answer on its way to the client, counted and logged when its last byte has gone.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
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

/// An answer that is logged when it has ended or was given up.
pub struct Tracked {
    answer: Answer,
    visit: Visit,
    worker: Rc<Worker>,
    status: u16,
    bytes: u64,
    _busy: Busy,
}

impl Tracked {
    /// Follow `response` to its end.
    pub fn wrap(response: Response<Answer>, visit: Visit, worker: Rc<Worker>, busy: Busy) -> Response<Self> {
        let status = response.status().as_u16();
        response.map(|answer| Self {
            answer,
            visit,
            worker,
            status,
            bytes: 0,
            _busy: busy,
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let (visit, gate) = (&self.visit, &self.worker.gate);
        let elapsed = visit.begun.elapsed();
        let template = visit.template();
        gate.meter(visit)
            .record(&visit.method, template, self.status, elapsed);
        if Pages::is_probe(template) {
            return;
        }
        self.worker.log.write(&Entry {
            at: gate.clock.now(),
            request_id: &visit.context.request_id,
            method: &visit.method,
            route: template,
            status: self.status,
            reason: visit.reason,
            client: visit.client,
            actor: visit.actor,
            instance: visit.instance,
            bytes: self.bytes,
            elapsed,
        });
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
            this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
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
