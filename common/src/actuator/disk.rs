//! The disk under the working folder.

/// How much room there is.
pub(super) struct Disk {
    /// The working folder.
    pub(super) path: String,
    /// Bytes in all.
    pub(super) total: u64,
    /// Bytes that this process may still use.
    pub(super) free: u64,
}

impl Disk {
    /// As it is now; `None` where the system does not tell.
    pub(super) fn here() -> Option<Self> {
        let path = std::env::current_dir().ok()?;
        let room = rustix::fs::statvfs(&path).ok()?;
        Some(Self {
            path: path.display().to_string(),
            total: room.f_blocks.saturating_mul(room.f_frsize),
            free: room.f_bavail.saturating_mul(room.f_frsize),
        })
    }
}
