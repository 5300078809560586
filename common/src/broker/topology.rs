//! Names and arguments of what is declared at the broker.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ExchangeKind, Result};

use super::ConsumerSpec;
use crate::events::EXCHANGE;

/// Fan-out of what every instance should hear at once.
pub(super) const REFRESH: &str = "healthcare.refresh";
/// Where queues send what they gave up on; the routing key is the dead-letter queue's name.
const DEAD: &str = "healthcare.dead";

pub(super) async fn declare_exchanges(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    for (name, kind) in [
        (EXCHANGE, ExchangeKind::Topic),
        (REFRESH, ExchangeKind::Fanout),
        (DEAD, ExchangeKind::Direct),
    ] {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(name.into(), kind, options, FieldTable::default())
            .await?;
    }
    channel.close(200, "done".into()).await
}

pub(super) async fn declare_queue(channel: &Channel, spec: &ConsumerSpec) -> Result<()> {
    let dead = spec.dead_letter_queue();
    declare_durable(channel, &dead, quorum()).await?;
    bind(channel, &dead, DEAD, &dead).await?;

    declare_durable(channel, &spec.queue, working(spec, &dead)).await?;
    for binding in &spec.bindings {
        bind(channel, &spec.queue, EXCHANGE, binding).await?;
    }
    Ok(())
}

/// A queue of this connection alone that hears every broadcast.
pub(super) async fn declare_listener(channel: &Channel) -> Result<ShortString> {
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare(ShortString::default(), options, FieldTable::default())
        .await?;
    bind(channel, queue.name().as_str(), REFRESH, "").await?;
    Ok(queue.name().clone())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn working(spec: &ConsumerSpec, dead: &str) -> FieldTable {
    let mut arguments = quorum();
    // RabbitMQ before 4.0 has no limit unless it is told one.
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(spec.delivery_limit));
    arguments.insert("x-dead-letter-exchange".into(), text(DEAD));
    arguments.insert("x-dead-letter-routing-key".into(), text(dead));
    // Without these two a message can be lost on its way from one queue to the other.
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

async fn declare_durable(channel: &Channel, queue: &str, arguments: FieldTable) -> Result<()> {
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}
