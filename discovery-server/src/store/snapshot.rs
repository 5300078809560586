//! The registry in a file, so that a restart forgets nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::lease::Lease;

#[derive(Deserialize)]
struct Saved {
    saved_at: DateTime<Utc>,
    leases: Vec<Lease>,
}

#[derive(Serialize)]
struct Saving<'a> {
    saved_at: DateTime<Utc>,
    leases: &'a [Lease],
}

/// Replace the file as a whole. Only its owner may read it, for it tells who made what.
pub fn save(file: &Path, leases: &[Lease], now: DateTime<Utc>) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    let mut writer = BufWriter::new(opened);
    serde_json::to_writer(
        &mut writer,
        &Saving {
            saved_at: now,
            leases,
        },
    )?;
    writer.flush()?;
    writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    std::fs::rename(fresh, file)
}

/// What the file holds, unless it is missing, older than `max_age`, or broken.
pub fn load(file: &Path, max_age: TimeDelta, now: DateTime<Utc>) -> Vec<Lease> {
    let saved = match File::open(file) {
        Ok(opened) => serde_json::from_reader::<_, Saved>(BufReader::new(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => Err(serde_json::Error::io(error)),
    };
    match saved {
        Ok(saved) if now - saved.saved_at <= max_age => saved.leases,
        Ok(saved) => {
            tracing::info!(saved_at = %saved.saved_at, "snapshot is too old to say anything");
            Vec::new()
        }
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "snapshot cannot be read; beginning with nobody");
            Vec::new()
        }
    }
}
