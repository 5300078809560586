//! Starts the user-service, or checks its audit: `user-service verify-audit`.

use common::config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let live = config::load(user_service::NAME, user_service::config::DEFAULTS).await?;
    if std::env::args().nth(1).as_deref() == Some("verify-audit") {
        return user_service::verify_audit(&live.current()).await;
    }
    let (core, router) = user_service::build(&live).await?;
    core.serve(router).await
}
