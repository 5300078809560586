//! The bus: one request has every instance read its settings again, whatever service it is of.
//!
//! What travels over the broker says for whom it is and nothing else. It is no authority: whoever can send it can make
//! a service ask its own config-server once more, and no more than that.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::Background;
use crate::broker::{Broker, PublishError};
use crate::config::{Live, Settings};

const LONGEST: usize = 128;

/// A handle on the bus; cheap to clone.
#[derive(Clone)]
pub struct Bus(Option<Broker>);

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// `amqp.url` is not set.
    #[error("there is no bus")]
    None,
    /// The broker did not confirm that it took the message.
    #[error("the broker did not take the message: {0}")]
    Away(#[from] PublishError),
}

/// What travels.
#[derive(Serialize, Deserialize)]
struct Message {
    refresh: Destination,
}

/// Whom it concerns: `user-service`, `user-service:8081`, an instance's whole id, or `**` for all. `*` stands for one
/// part of an id, `**` for all that follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination(String);

/// The text can be no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a destination is `service`, `service:port` or `**`")]
pub struct NoDestination;

impl Bus {
    /// Listen to what `broker` brings, and read the settings `live` again whenever it concerns this instance.
    /// `None`: there is no bus.
    pub fn join<T: Settings>(live: &Arc<Live<T>>, broker: Option<Broker>, background: &Background) -> Self {
        if let Some(broker) = &broker {
            let id = format!("{}:{}:{}", live.name(), live.core().server.port, Uuid::new_v4());
            tracing::info!(id, "listening to the bus");
            // However many messages come while the settings are being read, they are read once more after that.
            let wanted = Arc::new(Notify::new());
            let asked = Arc::clone(&wanted);
            broker.on_broadcast(move |body| {
                hear(&id, &body, &asked);
                std::future::ready(())
            });
            let live = Arc::clone(live);
            background.spawn("bus-refresh", |stop| refresh(live, wanted, stop));
        }
        Self(broker)
    }

    /// Have the instances that `destination` names read their settings again. This one is told as well if it is among
    /// them. Whether they do is in their own logs.
    ///
    /// # Errors
    /// [`BusError`], when nobody was told.
    pub async fn refresh(&self, destination: Destination) -> Result<(), BusError> {
        let broker = self.0.as_ref().ok_or(BusError::None)?;
        let message = Message { refresh: destination };
        let body = serde_json::to_vec(&message).map_err(|error| PublishError::Encoding(error.to_string()))?;
        Ok(broker.broadcast(body).await?)
    }
}

fn hear(id: &str, body: &Bytes, wanted: &Notify) {
    match serde_json::from_slice::<Message>(body) {
        Ok(message) if message.refresh.covers(id) => wanted.notify_one(),
        Ok(_) => {}
        Err(_) => tracing::warn!("a message of the bus cannot be read"),
    }
}

async fn refresh<T: Settings>(live: Arc<Live<T>>, wanted: Arc<Notify>, stop: CancellationToken) {
    while stop.run_until_cancelled(wanted.notified()).await.is_some() {
        match live.refresh().await {
            Ok(refreshed) => tracing::info!(keys = ?refreshed.changed, "settings read again by the bus"),
            Err(error) => tracing::warn!(%error, "the bus asked for new settings; the old ones stay"),
        }
    }
}

impl Destination {
    /// Every instance of every service.
    pub fn everyone() -> Self {
        Self("**".to_owned())
    }

    /// Does it name the instance `id`? A part of an id that is not given may be anything.
    fn covers(&self, id: &str) -> bool {
        let mut parts = id.split(':');
        for wanted in self.0.split(':') {
            match (wanted, parts.next()) {
                ("**", _) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(part)) if wanted == part => {}
                _ => return false,
            }
        }
        true
    }
}

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:*".contains(c);
        let known = !text.is_empty() && text.len() <= LONGEST && text.chars().all(plain);
        known.then(|| Self(text.to_owned())).ok_or(NoDestination)
    }
}

impl TryFrom<String> for Destination {
    type Error = NoDestination;

    fn try_from(text: String) -> Result<Self, NoDestination> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_names_services_and_instances() {
        let id = "user-service:8081:7f3a";
        for good in [
            "**",
            "user-service",
            "user-service:**",
            "user-service:8081",
            "user-service:8081:**",
            "user-service:8081:7f3a",
            "user-service:*:7f3a",
            "*:8081",
        ] {
            assert!(good.parse::<Destination>().unwrap().covers(id), "{good}");
        }
        for other in [
            "user",
            "user-service:80",
            "user-service:8082",
            "user-service:8081:x",
            "user-service:8081:7f3a:x",
            "appointment-service",
            "*:8082:**",
        ] {
            assert!(!other.parse::<Destination>().unwrap().covers(id), "{other}");
        }
        for bad in ["", "a b", "a/b", "a\n", "é", &"a".repeat(200)] {
            assert_eq!(bad.parse::<Destination>(), Err(NoDestination), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        let wanted = Notify::new();
        for body in [
            "",
            "{}",
            "{\"refresh\":1}",
            "{\"refresh\":\"a b\"}",
            "{\"refresh\":\"other\"}",
        ] {
            hear("svc:1:x", &Bytes::from_static(body.as_bytes()), &wanted);
        }
        let asked = futures_util::FutureExt::now_or_never(wanted.notified());
        assert!(asked.is_none());
        hear("svc:1:x", &Bytes::from_static(b"{\"refresh\":\"svc\"}"), &wanted);
        assert!(futures_util::FutureExt::now_or_never(wanted.notified()).is_some());
    }
}
