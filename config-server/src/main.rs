use common::config;
use common::core::Core;
use config_server::config::ConfigSettings;
use config_server::{DEFAULTS, NAME, build};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = config::load::<ConfigSettings>(NAME, DEFAULTS).await?;
    let core = Core::start(&live)?;
    let router = build(&core, &live.current()).await?;
    core.serve(router).await
}
