//! Starts the appointment-service.

use appointment_service::config::DEFAULTS;
use appointment_service::{NAME, build};
use common::core::Core;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = common::config::load(NAME, DEFAULTS).await?;
    let core = Core::start(&live)?;
    let router = build(&core, live).await?;
    core.serve(router).await
}
