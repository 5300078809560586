//! What the kernel knows of this process, under the names that dashboards rely on.

use std::fs;
use std::time::Instant;

use metrics::{counter, gauge};

/// Clock ticks per second in `/proc`: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// When the process started and what it had used when last asked.
pub(super) struct Process {
    begun: Instant,
    begun_at: f64,
}

impl Process {
    /// Now is the start, for the wall clock says `begun_at` seconds since the epoch.
    pub(super) fn started(begun_at: f64) -> Self {
        Self {
            begun: Instant::now(),
            begun_at,
        }
    }

    /// Bring the gauges up to date. What cannot be read is left out, as on systems without `/proc`.
    pub(super) fn observe(&self) {
        let uptime = self.begun.elapsed().as_secs_f64();
        gauge!("process_uptime_seconds").set(uptime);
        gauge!("process_start_time_seconds").set(self.begun_at);
        gauge!("system_cpu_count").set(
            std::thread::available_parallelism()
                .map_or(1.0, |n| f64::from(u32::try_from(n.get()).unwrap_or(1))),
        );
        if let Some(seconds) = cpu_seconds() {
            counter!("process_cpu_seconds_total").absolute(whole(seconds));
            gauge!("process_cpu_usage").set(seconds / uptime.max(1.0));
        }
        if let Some(bytes) = resident_bytes() {
            gauge!("process_resident_memory_bytes").set(bytes);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            gauge!("process_files_open_files")
                .set(f64::from(u32::try_from(files.count()).unwrap_or(u32::MAX)));
        }
        if let Some(most) = most_files() {
            gauge!("process_files_max_files").set(most);
        }
        if let Some(load) = first_number("/proc/loadavg") {
            gauge!("system_load_average_1m").set(load);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of CPU, far below 2^52"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

fn first_number(path: &str) -> Option<f64> {
    fs::read_to_string(path)
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything; count from its end.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<f64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024.0)
}

fn most_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
