//! Waiting for what happens a little later: an event on its way, a server coming back.

use std::time::{Duration, Instant};

/// Asks again and again until there is something, for at most `limit`.
pub async fn until<T, F>(limit: Duration, mut look: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
