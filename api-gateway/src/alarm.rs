//! Waiting for an instant that mostly moves on before it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for many deadlines, one after the other. It is moved only when it fires too early, or would fire too late:
/// setting a timer for every request and taking it back cost more than asking it.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` has come.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_goes_off_at_the_deadline_of_the_last_question_and_not_before() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut alarm = Alarm::default();
        let is_silent = poll_fn(|cx| Poll::Ready(alarm.poll(cx, at(50)).is_pending())).await;
        assert!(is_silent);
        poll_fn(|cx| alarm.poll(cx, at(100))).await;
        assert!(Instant::now() >= at(100), "later than first said");
        let is_silent = poll_fn(|cx| Poll::Ready(alarm.poll(cx, at(60_000)).is_pending())).await;
        assert!(is_silent);
        poll_fn(|cx| alarm.poll(cx, at(150))).await;
        assert!(
            (at(150)..at(30_000)).contains(&Instant::now()),
            "sooner than first said"
        );
    }
}
