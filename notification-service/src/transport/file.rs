//! Messages as files in a folder, for demonstrations and tests: no provider, no cost.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lettre::Address;
use serde_json::json;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::{Ticket, mime};
use crate::domain::outcome::Outcome;
use crate::domain::wording::Mail;

pub struct MailFolder {
    folder: PathBuf,
    from: Address,
}

pub struct SmsFolder {
    folder: PathBuf,
}

impl MailFolder {
    pub(super) fn new(folder: &Path, from: Address) -> anyhow::Result<Self> {
        create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            from,
        })
    }

    pub(super) async fn send(&self, ticket: Ticket, to: (&str, &str), mail: &Mail) -> Outcome {
        match mime::build(&self.from, ticket, to, mail) {
            Some(message) => keep(&self.folder, ticket, "eml", &message.formatted()).await,
            None => Outcome::Refused("unusable-address".to_owned()),
        }
    }
}

impl SmsFolder {
    pub(super) fn new(folder: &Path) -> anyhow::Result<Self> {
        create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    pub(super) async fn send(&self, ticket: Ticket, to: &str, body: &str) -> Outcome {
        let message = json!({
            "notification_id": ticket.id,
            "template": ticket.template,
            "to": to,
            "body": body,
            "sent_at": ticket.now,
        });
        keep(&self.folder, ticket, "json", format!("{message:#}\n").as_bytes()).await
    }
}

/// Messages are personal: the folder is its owner's alone.
fn create(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
}

async fn keep(folder: &Path, ticket: Ticket, extension: &str, content: &[u8]) -> Outcome {
    let name = format!(
        "{}-{}-{}.{extension}",
        ticket.now.format("%Y%m%dT%H%M%S%.3fZ"),
        ticket.template,
        ticket.id
    );
    match write(folder, &name, content).await {
        Ok(()) => Outcome::Arrived(Some(name)),
        Err(error) => {
            tracing::error!(%error, folder = %folder.display(), "a message cannot be written to its folder");
            Outcome::NotTaken {
                code: "file".to_owned(),
                wait: None,
            }
        }
    }
}

/// Whoever watches the folder sees whole messages only.
async fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)
        .await?;
    file.write_all(content).await?;
    file.sync_all().await?;
    tokio::fs::rename(unfinished, folder.join(name)).await
}
