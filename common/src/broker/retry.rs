//! How long a failed delivery waits before it is tried again.

use std::time::Duration;

use lapin::message::Delivery;
use lapin::types::AMQPValue;
use tokio_util::sync::CancellationToken;

use super::connection::jittered;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A broker closes the channel of a consumer that sits on a delivery for half an hour.
pub(super) const LONGEST_HOLD: Duration = Duration::from_mins(10);

/// How often the broker has counted a failure of this delivery.
pub(super) fn failures(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    match count {
        Some(AMQPValue::LongLongInt(n)) => u32::try_from(*n).unwrap_or(u32::MAX),
        Some(AMQPValue::LongInt(n)) => u32::try_from(*n).unwrap_or_default(),
        Some(AMQPValue::LongUInt(n)) => *n,
        _ => 0,
    }
}

/// Waits before the next try; `false` if the session ended meanwhile.
pub(super) async fn pause(failures: u32, over: &CancellationToken) -> bool {
    sleep(jittered(length(failures)), over).await
}

pub(super) async fn sleep(length: Duration, over: &CancellationToken) -> bool {
    tokio::select! {
        () = over.cancelled() => false,
        () = tokio::time::sleep(length) => true,
    }
}

fn length(failures: u32) -> Duration {
    FIRST.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!(length(0), Duration::from_millis(100));
        assert_eq!(length(3), Duration::from_millis(800));
        assert_eq!(length(7), LONGEST);
        assert_eq!(length(u32::MAX), LONGEST);
    }
}
