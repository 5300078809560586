//! Names and arguments of what is declared at the broker.

use std::sync::Arc;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ExchangeKind, Result};

use super::ConsumerSpec;

/// For as long as a temporary queue may stand unused.
const TEMPORARY_MS: i32 = 600_000;

/// How this deployment names what it declares.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    namespace: Arc<str>,
    /// Leaves nothing behind: for tests.
    temporary: bool,
}

impl Topology {
    pub(super) fn new(namespace: &str, temporary: bool) -> Self {
        Self {
            namespace: namespace.into(),
            temporary,
        }
    }

    /// The topic exchange that every event passes.
    pub(super) fn events(&self) -> ShortString {
        self.named("events")
    }

    /// Fan-out of what every instance should hear at once.
    pub(super) fn refresh(&self) -> ShortString {
        self.named("refresh")
    }

    /// Where queues send what they gave up on; the routing key is the dead-letter queue's name.
    fn dead(&self) -> ShortString {
        self.named("dead")
    }

    pub(super) fn queue(&self, spec: &ConsumerSpec) -> ShortString {
        self.named(&spec.queue)
    }

    fn dead_letter_queue(&self, spec: &ConsumerSpec) -> ShortString {
        self.named(&format!("{}.dead", spec.queue))
    }

    fn named(&self, name: &str) -> ShortString {
        format!("{}.{name}", self.namespace).into()
    }

    pub(super) async fn declare_exchanges(&self, connection: &Connection) -> Result<()> {
        let channel = connection.create_channel().await?;
        for (name, kind) in [
            (self.events(), ExchangeKind::Topic),
            (self.refresh(), ExchangeKind::Fanout),
            (self.dead(), ExchangeKind::Direct),
        ] {
            let options = ExchangeDeclareOptions {
                durable: true,
                auto_delete: self.temporary,
                ..ExchangeDeclareOptions::default()
            };
            channel
                .exchange_declare(name, kind, options, FieldTable::default())
                .await?;
        }
        channel.close(200, "done".into()).await
    }

    pub(super) async fn declare_queue(&self, channel: &Channel, spec: &ConsumerSpec) -> Result<()> {
        let dead = self.dead_letter_queue(spec);
        declare_durable(channel, &dead, self.quorum()).await?;
        bind(channel, &dead, &self.dead(), &dead).await?;

        let queue = self.queue(spec);
        declare_durable(channel, &queue, self.working(spec)).await?;
        for binding in &spec.bindings {
            bind(channel, &queue, &self.events(), &binding.as_str().into()).await?;
        }
        Ok(())
    }

    /// A queue of this connection alone that hears every broadcast.
    pub(super) async fn declare_listener(&self, channel: &Channel) -> Result<ShortString> {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare(ShortString::default(), options, FieldTable::default())
            .await?;
        bind(channel, queue.name(), &self.refresh(), &ShortString::default()).await?;
        Ok(queue.name().clone())
    }

    fn quorum(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        if self.temporary {
            arguments.insert("x-expires".into(), AMQPValue::LongInt(TEMPORARY_MS));
        }
        arguments
    }

    fn working(&self, spec: &ConsumerSpec) -> FieldTable {
        let mut arguments = self.quorum();
        // RabbitMQ before 4.0 has no limit unless it is told one.
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(spec.delivery_limit));
        arguments.insert("x-dead-letter-exchange".into(), text(self.dead().as_str()));
        let dead = self.dead_letter_queue(spec);
        arguments.insert("x-dead-letter-routing-key".into(), text(dead.as_str()));
        // Without these two a message can be lost on its way from one queue to the other.
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

async fn declare_durable(channel: &Channel, queue: &ShortString, arguments: FieldTable) -> Result<()> {
    channel
        .queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(())
}

async fn bind(
    channel: &Channel,
    queue: &ShortString,
    exchange: &ShortString,
    key: &ShortString,
) -> Result<()> {
    channel
        .queue_bind(
            queue.clone(),
            exchange.clone(),
            key.clone(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}
