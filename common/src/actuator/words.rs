//! What the metrics of this crate mean, for whoever reads them on a dashboard.

use metrics::{describe_counter, describe_gauge, describe_histogram};

const GAUGES: [(&str, &str); 25] = [
    (
        "application_ready_time_seconds",
        "Time from the start of the process until it answered requests",
    ),
    (
        "application_started_time_seconds",
        "Time from the start of the process until it listened",
    ),
    (
        "disk_free_bytes",
        "Room that this process may still use on the disk of its working folder",
    ),
    (
        "disk_total_bytes",
        "Room in all on the disk of the working folder",
    ),
    ("hikaricp_connections", "Connections of the database pool"),
    (
        "hikaricp_connections_active",
        "Connections of the database pool that are in use",
    ),
    (
        "hikaricp_connections_idle",
        "Connections of the database pool that nobody uses",
    ),
    (
        "hikaricp_connections_max",
        "Connections that the database pool may have",
    ),
    (
        "hikaricp_connections_min",
        "Connections that the database pool keeps open",
    ),
    (
        "http_client_requests_seconds_max",
        "The longest call to another service in the last two minutes",
    ),
    (
        "http_server_requests_seconds_max",
        "The longest request in the last two minutes",
    ),
    (
        "jdbc_connections_active",
        "Connections of the database pool that are in use",
    ),
    (
        "jdbc_connections_idle",
        "Connections of the database pool that nobody uses",
    ),
    (
        "jdbc_connections_max",
        "Connections that the database pool may have",
    ),
    (
        "jdbc_connections_min",
        "Connections that the database pool keeps open",
    ),
    ("outbox_waiting", "Events that wait to be published"),
    (
        "process_cpu_usage",
        "Share of the machine's CPUs that this process used since the last look, from 0 to 1",
    ),
    ("process_files_max_files", "Files that this process may have open"),
    ("process_files_open_files", "Files that this process has open"),
    (
        "process_resident_memory_bytes",
        "Memory of this process that is in RAM",
    ),
    (
        "process_start_time_seconds",
        "When the process started, in seconds since the epoch",
    ),
    ("process_uptime_seconds", "Time since the process started"),
    ("system_cpu_count", "CPUs that this process may use"),
    (
        "system_cpu_usage",
        "Share of the machine's CPUs that was busy since the last look, from 0 to 1",
    ),
    (
        "system_load_average_1m",
        "Processes that ran or waited for a CPU, averaged over a minute",
    ),
];

const COUNTERS: [(&str, &str); 4] = [
    ("logback_events_total", "Lines that were logged, by level"),
    (
        "process_cpu_seconds_total",
        "CPU time that this process has used, in whole seconds",
    ),
    (
        "rabbitmq_consumed_total",
        "Messages taken from a queue, by outcome",
    ),
    (
        "rabbitmq_published_total",
        "Messages given to the broker, by outcome",
    ),
];

const HISTOGRAMS: [(&str, &str); 2] = [
    (
        "http_client_requests_seconds",
        "Time that calls to other services took",
    ),
    (
        "http_server_requests_seconds",
        "Time that requests took, by route template",
    ),
];

/// Tell the recorder.
pub(super) fn describe() {
    for (name, meaning) in GAUGES {
        describe_gauge!(name, meaning);
    }
    for (name, meaning) in COUNTERS {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in HISTOGRAMS {
        describe_histogram!(name, meaning);
    }
}
