//! The story of one visit, told as it happens: `make demo`. Ends with an error when a step fails.
#![expect(clippy::print_stdout, reason = "its output is for a person to read")]

mod story;

use std::process::ExitCode;

use anyhow::Context;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let base = setting("API_URL").unwrap_or_else(|_| "http://localhost:8080".to_owned());
    println!("One visit, through the gateway at {base}\n");
    match story::tell(&base).await {
        Ok(steps) => {
            println!("\nThe whole story went through: {steps} steps.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nThe story ends here: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool for the command line has no configuration layers"
)]
fn setting(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: `. .dev/env` sets it"))
}
