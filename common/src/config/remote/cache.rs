//! The copy of config-server's last good answer. It may hold secrets, so it is sealed with AES-256-GCM under a key made
//! from the password in config-server's URL: whoever has the disk alone can neither read nor change it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use serde_json::Value;
use url::Url;

const VERSION: u8 = 1;

/// Where the copy is and how to open it.
pub(super) struct Cache {
    file: PathBuf,
    key: RandomizedNonceKey,
    /// What the copy belongs to: one service and one profile.
    subject: String,
}

impl Cache {
    /// `None` when the URL holds no password to make a key from: then nothing is kept.
    pub(super) fn new(folder: &Path, url: &Url, name: &str, profile: &str) -> Option<Self> {
        let key = derive(url.password()?).ok()?;
        let safe = |text: &str| text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-'), "_");
        let file = folder.join(format!("{}-{}.settings", safe(name), safe(profile)));
        Some(Self {
            file,
            key,
            subject: format!("{name}\n{profile}"),
        })
    }

    /// Replace the copy as a whole, so that a crash leaves the old or the new one.
    pub(super) fn store(&self, values: &Value) -> io::Result<()> {
        let mut sealed = serde_json::to_vec(values)?;
        let nonce = self
            .key
            .seal_in_place_append_tag(self.aad(), &mut sealed)
            .map_err(|_| corrupt("cannot seal"))?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = self.file.with_extension(format!("{}.tmp", std::process::id()));
        // One that a crash left behind may have any mode.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&[&[VERSION][..], nonce.as_ref(), &sealed].concat())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.file)
    }

    /// The copy, if there is one that nobody touched.
    pub(super) fn read(&self) -> io::Result<Value> {
        let bytes = fs::read(&self.file)?;
        let (nonce, sealed) = match bytes.split_first() {
            Some((&VERSION, rest)) => rest
                .split_at_checked(NONCE_LEN)
                .ok_or_else(|| corrupt("too short"))?,
            _ => return Err(corrupt("of another version")),
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| corrupt("no nonce"))?;
        let mut buffer = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, self.aad(), &mut buffer);
        let plain = plain.map_err(|_| corrupt("changed, or sealed with another password"))?;
        Ok(serde_json::from_slice(plain)?)
    }

    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(self.subject.as_bytes())
    }
}

fn corrupt(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the copy is {reason}"))
}

fn derive(password: &str) -> Result<RandomizedNonceKey, Unspecified> {
    let mut key = [0; 32];
    let secret = Salt::new(HKDF_SHA256, b"config-server").extract(password.as_bytes());
    secret
        .expand(&[b"copy of the settings, version 1"], HKDF_SHA256)?
        .fill(&mut key)?;
    RandomizedNonceKey::new(&AES_256_GCM, &key)
}
