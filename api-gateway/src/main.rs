//! Starts the gateway: settings, parts, workers.

use api_gateway::access_log::Sink;
use api_gateway::{Config, DEFAULTS, Gateway, NAME};
use common::core::Core;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let live = common::config::load::<Config>(NAME, DEFAULTS).await?;
    let core = Core::start(&live)?;
    let (sink, writer) = Sink::to(std::io::stdout())?;
    let ended = Gateway::start(&core, &live, sink)?.run(core).await;
    writer.finish();
    ended
}
