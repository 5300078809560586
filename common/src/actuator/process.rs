//! What the kernel knows of this process and its machine, under the names that dashboards rely on.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge};

use super::disk::Disk;

/// Clock ticks per second in `/proc`: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
/// Two looks that are closer together say too little: ticks are coarse.
const APART: Duration = Duration::from_millis(500);

/// When the process started and what it had used when last looked at.
pub(super) struct Process {
    begun: Instant,
    begun_at: f64,
    last: Mutex<Look>,
}

/// What was used up to a moment.
struct Look {
    at: Instant,
    process: f64,
    machine: Option<Machine>,
}

/// Seconds that the machine's CPUs were busy, and seconds that there were.
#[derive(Clone, Copy)]
struct Machine {
    busy: f64,
    whole: f64,
}

impl Process {
    /// The wall clock says `now`, seconds since the epoch.
    pub(super) fn started(now: f64) -> Self {
        let age = age().unwrap_or(Duration::ZERO);
        let at = Instant::now();
        let begun = at.checked_sub(age).unwrap_or(at);
        // Until two looks are far enough apart: a dashboard must find the names.
        gauge!("process_cpu_usage").set(0.0);
        gauge!("system_cpu_usage").set(0.0);
        Self {
            begun,
            begun_at: now - age.as_secs_f64(),
            last: Mutex::new(Look {
                at: begun,
                process: 0.0,
                machine: machine(),
            }),
        }
    }

    /// The service listens, and whoever asks is answered.
    pub(super) fn ready(&self) {
        let took = self.begun.elapsed().as_secs_f64();
        gauge!("application_started_time_seconds").set(took);
        gauge!("application_ready_time_seconds").set(took);
    }

    /// Bring the gauges up to date. What cannot be read is left out, as on systems without `/proc`.
    pub(super) fn observe(&self) {
        gauge!("process_uptime_seconds").set(self.begun.elapsed().as_secs_f64());
        gauge!("process_start_time_seconds").set(self.begun_at);
        gauge!("system_cpu_count").set(cpus());
        self.observe_usage();
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
        if let Some(disk) = Disk::here() {
            gauge!("disk_total_bytes", "path" => disk.path.clone()).set(float(disk.total));
            gauge!("disk_free_bytes", "path" => disk.path).set(float(disk.free));
        }
    }

    /// Shares of the CPUs since the last look, from 0 to 1.
    fn observe_usage(&self) {
        let Some(process) = cpu_seconds() else {
            return;
        };
        counter!("process_cpu_seconds_total").absolute(whole(process));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = last.at.elapsed();
        if passed < APART {
            return;
        }
        let share = (process - last.process) / passed.as_secs_f64() / cpus();
        gauge!("process_cpu_usage").set(share.clamp(0.0, 1.0));
        let machine = machine();
        if let (Some(before), Some(now)) = (last.machine, machine)
            && now.whole > before.whole
        {
            let share = (now.busy - before.busy) / (now.whole - before.whole);
            gauge!("system_cpu_usage").set(share.clamp(0.0, 1.0));
        }
        *last = Look {
            at: Instant::now(),
            process,
            machine,
        };
    }
}

fn cpus() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| f64::from(u32::try_from(n.get()).unwrap_or(1)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of CPU, far below 2^52"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a disk, to be looked at")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

fn first_number(path: &str) -> Option<f64> {
    fs::read_to_string(path)
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// A field of `/proc/self/stat`, counted from 1 as in its manual; from the fourth on.
fn own_ticks(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything; count from its end.
    let field = stat.rsplit(')').next()?.split_whitespace().nth(number - 3)?;
    field.parse::<f64>().ok().map(|ticks| ticks / TICKS)
}

fn cpu_seconds() -> Option<f64> {
    Some(own_ticks(14)? + own_ticks(15)?)
}

/// How long ago the kernel started this process.
fn age() -> Option<Duration> {
    let age = first_number("/proc/uptime")? - own_ticks(22)?;
    Duration::try_from_secs_f64(age).ok()
}

fn machine() -> Option<Machine> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> = stat
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        // User, nice, system, idle, waiting for a disk, interrupts (two kinds), stolen; guests are counted as user.
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    let whole: f64 = ticks.iter().sum();
    let idle: f64 = ticks.get(3..5)?.iter().sum();
    Some(Machine {
        busy: whole - idle,
        whole,
    })
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
