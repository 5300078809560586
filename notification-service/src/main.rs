//! Starts the notification-service.

use common::core::Core;
use notification_service::config::DEFAULTS;
use notification_service::{NAME, build};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = common::config::load(NAME, DEFAULTS).await?;
    let core = Core::start(&live)?;
    let router = build(&core, live).await?;
    core.serve(router).await
}
