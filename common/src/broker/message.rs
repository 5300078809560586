use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::ShortString;
use uuid::Uuid;

use super::publisher::PublishError;
use super::topology::Topology;
use crate::events::Event;

const CLOUD_EVENT: &str = "application/cloudevents+json";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// A message on its way to an exchange.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) message_id: ShortString,
    pub(super) body: Bytes,
    content_type: ShortString,
    /// Stored by the broker, and an error when no queue takes it.
    pub(super) durable: bool,
}

impl Outgoing {
    pub(super) fn event(topology: &Topology, event: &Event) -> Result<Self, PublishError> {
        let body = serde_json::to_vec(event).map_err(|error| PublishError::Encoding(error.to_string()))?;
        Ok(Self {
            exchange: topology.events(),
            routing_key: event.kind.as_str().into(),
            message_id: event.id.to_string().into(),
            body: body.into(),
            content_type: CLOUD_EVENT.into(),
            durable: true,
        })
    }

    pub(super) fn broadcast(topology: &Topology, body: Bytes) -> Self {
        Self {
            exchange: topology.refresh(),
            routing_key: ShortString::default(),
            message_id: Uuid::now_v7().to_string().into(),
            body,
            content_type: "application/json".into(),
            durable: false,
        }
    }

    /// A fresh copy of a message that `queue` delivered: its delivery count begins again.
    pub(super) fn copy(queue: ShortString, properties: &BasicProperties, body: &[u8]) -> Self {
        Self {
            exchange: ShortString::default(),
            routing_key: queue,
            message_id: properties.message_id().clone().unwrap_or_default(),
            body: Bytes::copy_from_slice(body),
            content_type: properties.content_type().clone().unwrap_or_default(),
            durable: true,
        }
    }

    pub(super) fn properties(&self) -> BasicProperties {
        BasicProperties::default()
            .with_content_type(self.content_type.clone())
            .with_message_id(self.message_id.clone())
            .with_delivery_mode(if self.durable { PERSISTENT } else { TRANSIENT })
    }
}
