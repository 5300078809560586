//! Sending one request to a service: which instance, which connection, and what to do when it fails.

use std::future::{Future as _, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Version};
use hyper::body::Incoming;

use super::body::{Broken, Lease, Outgoing, Progress, Relay, Upload};
use super::directory::{Nobody, Service, Ticket, Wish};
use super::pool::{Connection, Pool};
use crate::domain::balance::Dice;
use crate::domain::breaker::Outcome;
use crate::rules::Route;

/// Why there is no answer of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Nobody(#[from] Nobody),
    #[error("the instance cannot be reached")]
    Unreachable,
    #[error("the instance broke off")]
    BrokeOff,
    #[error("the instance did not answer in time")]
    TooSlow,
    #[error(transparent)]
    Body(#[from] Broken),
}

impl Failure {
    /// Whether some instance may have acted on the request.
    fn was_seen(self) -> bool {
        !matches!(self, Self::Nobody(_) | Self::Unreachable)
    }
}

/// One worker's means of reaching services.
pub struct Forwarder {
    pub pool: Pool,
    pub dice: Dice,
    pub max_in_flight: usize,
    /// Longest silence in the middle of an answer.
    pub stall: Duration,
}

/// An answer, and whether the client's body was still coming when it was given.
pub struct Answered {
    pub response: Response<Relay>,
    pub early: bool,
}

type Message = Request<Outgoing>;

/// What the gateway writes into the head of a request.
type Mark<'m> = &'m dyn Fn(&mut HeaderMap);

/// A try that failed, with the request if it may be sent again.
struct Failed {
    failure: Failure,
    again: Option<Message>,
    /// The instance has seen nothing of it, so sending it again costs no budget.
    unseen: bool,
}

/// How sending over one connection failed.
enum Unsent {
    /// The message had not left.
    NotSent(Box<Message>),
    Sent,
    Late,
}

impl Forwarder {
    /// Send `request` to an instance of `service`, and once more to another one where that is safe.
    ///
    /// `mark` writes into a head what the gateway has to say. Each try is marked anew: what is kept for the next one
    /// is only what the client sent.
    ///
    /// # Errors
    /// No instance gave an answer.
    pub async fn forward(
        &self,
        service: &Service,
        route: &Route,
        request: Request<Incoming>,
        mark: Mark<'_>,
    ) -> Result<Answered, Failure> {
        service.budget.earn();
        let (mut message, progress) = prepare(request, route);
        let mut failed_on = None;
        let mut first: Option<Failure> = None;
        loop {
            let repeatable = progress.is_none() && is_idempotent(message.method());
            let wish = Wish {
                max_in_flight: self.max_in_flight,
                not: failed_on,
                repeatable,
            };
            let ticket = match service.choose(&self.dice, wish) {
                Ok(ticket) => ticket,
                Err(nobody) => return Err(first.unwrap_or(nobody.into())),
            };
            let serial = ticket.instance.serial;
            let failed = match self
                .attempt(ticket, message, (route.timeout, progress.clone()), mark)
                .await
            {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            match failed.again {
                Some(again) if failed_on.is_none() && (failed.unseen || service.budget.spend()) => {
                    message = again;
                }
                // Once an instance has seen the request, the client must not hear that none has.
                _ => return Err(first.filter(|first| first.was_seen()).unwrap_or(failed.failure)),
            }
            (failed_on, first) = (Some(serial), Some(failed.failure));
        }
    }

    /// One instance: first over a connection that is open already, then over a new one.
    async fn attempt(
        &self,
        mut ticket: Ticket,
        mut message: Message,
        (timeout, progress): (Duration, Option<Rc<Progress>>),
        mark: Mark<'_>,
    ) -> Result<Answered, Failed> {
        loop {
            let mut connection = match self.connection(&mut ticket).await {
                Ok(connection) => connection,
                Err(failure) => {
                    return Err(Failed {
                        failure,
                        again: Some(message),
                        unseen: true,
                    });
                }
            };
            let copy = (progress.is_none() && is_idempotent(message.method())).then(|| copy_head(&message));
            let headers = message.headers_mut();
            headers.insert(header::HOST, ticket.instance.authority.clone());
            mark(headers);
            let sent = send(&mut connection, message, timeout, progress.as_deref()).await;
            match sent {
                Ok(response) => {
                    return Ok(self.answered(
                        response,
                        Lease {
                            connection,
                            ticket,
                            pool: self.pool.clone(),
                            progress,
                        },
                    ));
                }
                // It closed while it lay unused; that says nothing about the instance.
                Err(Unsent::NotSent(back)) if connection.reused => message = *back,
                Err(unsent) => {
                    return Err(judge(
                        unsent,
                        &mut ticket,
                        (copy, connection.reused),
                        progress.as_deref(),
                    ));
                }
            }
        }
    }

    async fn connection(&self, ticket: &mut Ticket) -> Result<Connection, Failure> {
        if let Some(kept) = self.pool.take(&ticket.instance) {
            return Ok(kept);
        }
        self.pool.connect(&ticket.instance).await.map_err(|error| {
            tracing::debug!(address = %ticket.instance.address, %error, "cannot connect");
            ticket.tell(Outcome::Gone);
            Failure::Unreachable
        })
    }

    fn answered(&self, response: Response<Incoming>, mut lease: Lease) -> Answered {
        let is_fault = response.status().is_server_error();
        lease.ticket.tell(if is_fault {
            Outcome::Faulty
        } else {
            Outcome::Answered
        });
        let early = lease
            .progress
            .as_ref()
            .is_some_and(|progress| !progress.has_ended());
        if let Some(progress) = &lease.progress
            && early
            && (is_fault || response.status().is_client_error())
        {
            // It does not want the rest. Going on writing would break the connection under its answer.
            progress.stop();
        }
        Answered {
            response: response.map(|body| Relay::new(body, lease, self.stall)),
            early,
        }
    }
}

fn prepare(request: Request<Incoming>, route: &Route) -> (Message, Option<Rc<Progress>>) {
    use http_body::Body as _;
    let (mut parts, body) = request.into_parts();
    // A client of the old version must not make services end their connections to the gateway.
    parts.version = Version::HTTP_11;
    if body.is_end_stream() {
        return (Request::from_parts(parts, Outgoing::Empty), None);
    }
    let (upload, progress) = Upload::new(body, route.body_limit, route.body_timeout);
    (
        Request::from_parts(parts, Outgoing::Upload(upload)),
        Some(progress),
    )
}

/// Whose fault it was, and whether the request may be sent again.
fn judge(
    unsent: Unsent,
    ticket: &mut Ticket,
    (copy, reused): (Option<Message>, bool),
    progress: Option<&Progress>,
) -> Failed {
    if let Some(broken) = progress.and_then(Progress::failure) {
        return Failed {
            failure: broken.into(),
            again: None,
            unseen: false,
        };
    }
    match unsent {
        Unsent::NotSent(message) => {
            ticket.tell(Outcome::Away);
            Failed {
                failure: Failure::BrokeOff,
                again: Some(*message),
                unseen: true,
            }
        }
        Unsent::Sent => {
            // On a used connection it may have been closed for idleness just as the request was on its way.
            if !reused {
                ticket.tell(Outcome::Away);
            }
            Failed {
                failure: Failure::BrokeOff,
                again: copy,
                unseen: false,
            }
        }
        Unsent::Late => {
            ticket.tell(Outcome::Away);
            Failed {
                failure: Failure::TooSlow,
                again: None,
                unseen: false,
            }
        }
    }
}

/// The time for an answer begins when the last byte of the request has been passed on.
async fn send(
    connection: &mut Connection,
    message: Message,
    timeout: Duration,
    progress: Option<&Progress>,
) -> Result<Response<Incoming>, Unsent> {
    let begun = Instant::now();
    let Connection { sender, alarm, .. } = connection;
    let mut answer = std::pin::pin!(sender.try_send_request(message));
    let answered = poll_fn(|cx| {
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answered));
        }
        let last_byte = progress.map_or(begun, Progress::last_byte);
        alarm.poll(cx, (last_byte + timeout).into()).map(|()| None)
    });
    match answered.await {
        Some(Ok(response)) => Ok(response),
        Some(Err(mut error)) => Err(error
            .take_message()
            .map_or(Unsent::Sent, |message| Unsent::NotSent(Box::new(message)))),
        None => Err(Unsent::Late),
    }
}

fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(method)
}

fn copy_head(message: &Message) -> Message {
    let mut copy = Request::new(Outgoing::Empty);
    *copy.method_mut() = message.method().clone();
    *copy.uri_mut() = message.uri().clone();
    *copy.headers_mut() = message.headers().clone();
    copy
}

/// Tell the client that its connection ends with this answer.
pub fn announce_close(headers: &mut http::HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}
