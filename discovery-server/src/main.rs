use common::config;
use common::core::Core;
use discovery_server::config::{DEFAULTS, RegistrySettings};
use discovery_server::{NAME, build};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = config::load::<RegistrySettings>(NAME, DEFAULTS).await?;
    let core = Core::start(&live)?;
    let router = build(&core, &live)?;
    core.serve(router).await
}
