//! Starts the user-service, or checks its audit: `user-service verify-audit [--expect SEQ:MAC]`.

use common::config;
use user_service::command::Command;
use user_service::config::DEFAULTS;
use user_service::{NAME, build, verify_audit};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse(std::env::args().skip(1))?;
    let live = config::load(NAME, DEFAULTS).await?;
    if let Command::VerifyAudit(expected) = command {
        return verify_audit(&live.current(), expected).await;
    }
    let (core, router) = build(&live).await?;
    core.serve(router).await
}
