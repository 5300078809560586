//! The gateway's typed settings.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use common::auth::Role;
use common::config::Settings;
use serde::Deserialize;

use crate::domain::address::{BadBlock, Block};
use crate::domain::framing::HeadLimits;
use crate::proxy::directory::Directory;
use crate::rules::Rules;

/// The embedded defaults.
pub const DEFAULTS: &str = include_str!("../config.default.yml");

/// What stands in this service's settings files besides the shared sections.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    pub gateway: Gateway,
    pub server: Server,
}

/// The part of the shared section `server` that the rules need too.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    pub header_timeout_s: u64,
    pub max_connections: usize,
    pub body_limit: u64,
}

/// Section `gateway`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub workers: usize,
    pub trusted_proxies: Vec<String>,
    pub monitors: Vec<String>,
    pub cors_origins: Vec<String>,
    pub drain_notice_s: u64,
    pub tls: Tls,
    pub connection: Connection,
    pub upstream: Upstream,
    pub tokens: Tokens,
    pub rate_limit: RateLimit,
    pub routes: Vec<RouteEntry>,
}

/// Section `gateway.tls`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Section `gateway.connection`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    pub per_address: usize,
    pub head_bytes: usize,
    pub head_lines: usize,
    pub request_line: usize,
    pub idle_s: u64,
    pub stall_s: u64,
    pub body_floor: u64,
    pub linger_s: u64,
}

impl Connection {
    /// How much of a request's head is read.
    pub fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            bytes: self.head_bytes,
            lines: self.head_lines,
            request_line: self.request_line,
        }
    }
}

/// Section `gateway.upstream`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub connect_timeout_ms: u64,
    pub idle_s: u64,
    pub max_idle: usize,
    pub max_in_flight: usize,
    pub stall_s: u64,
}

/// Section `gateway.tokens`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    pub cache_entries: usize,
    pub checks: Quota,
}

/// Section `gateway.rate_limit`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub scale: f64,
    pub in_flight: NonZeroU32,
    pub classes: BTreeMap<String, Quota>,
}

/// So many at once, and so many per minute after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub per_minute: NonZeroU32,
    pub burst: NonZeroU32,
}

/// One line of `gateway.routes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    pub path: String,
    pub methods: Vec<String>,
    pub service: String,
    pub who: Who,
    #[serde(default)]
    pub limit: Option<String>,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub body_timeout_ms: Option<u64>,
    #[serde(default)]
    pub body_limit: Option<u64>,
}

/// Who may come in by a route.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Who {
    Word(Word),
    Roles(Vec<Role>),
}

/// `public` or `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    Public,
    Any,
}

impl Settings for Config {
    fn check(&self) -> Result<(), String> {
        Rules::compile(self, &Directory::default(), None)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// Blocks of addresses, parsed.
///
/// # Errors
/// One of them is no block.
pub fn blocks(texts: &[String]) -> Result<Vec<Block>, BadBlock> {
    texts.iter().map(|text| text.parse()).collect()
}

impl Upstream {
    /// How long a connection may take.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long an unused connection is kept.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s)
    }
}
