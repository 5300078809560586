//! Starts the user-service, or checks its audit: `user-service verify-audit`.

use common::config;
use user_service::config::DEFAULTS;
use user_service::{NAME, build, verify_audit};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = config::load(NAME, DEFAULTS).await?;
    if std::env::args().nth(1).as_deref() == Some("verify-audit") {
        return verify_audit(&live.current()).await;
    }
    let (core, router) = build(&live).await?;
    core.serve(router).await
}
