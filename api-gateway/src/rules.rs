//! The settings turned into what the data path looks things up in. Replaced as a whole, or not at all.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use common::auth::Role;
use http::Method;

use crate::config::{Config, Quota, RouteEntry, Who, Word, blocks};
use crate::domain::address::{BadBlock, Block};
use crate::domain::cors::{BadOrigin, Cors};
use crate::domain::table::{BadEntry, Table};
use crate::limits::caps::Caps;
use crate::limits::failures::Failures;
use crate::limits::{BadQuota, Class, Classes};
use crate::meter::Meter;
use crate::proxy::directory::{Directory, Service};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// From the head of a request to the last byte of its body.
const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The class of public routes that name none, and of the gateway's own pages.
const PUBLIC: &str = "public";

/// Paths that are the gateway's own or nobody's, whatever a table says.
const RESERVED: [&str; 6] = ["actuator", "docs", "internal", "livez", "openapi.json", "readyz"];

/// Everything that can change while the gateway runs.
#[derive(Debug)]
pub struct Rules {
    pub table: Table<Arc<Route>>,
    /// What the table is made of, in its order.
    pub routes: Vec<Arc<Route>>,
    pub trusted: Vec<Block>,
    /// From where the gateway's own credential opens its monitoring.
    pub monitors: Vec<Block>,
    pub cors: Cors,
    pub classes: Classes,
    /// Bad tokens per address.
    pub token_checks: Arc<Failures>,
    /// Requests of one caller that are under way.
    pub in_flight: Caps,
    /// The class of the gateway's own pages.
    pub public: Arc<Class>,
}

/// One way in.
#[derive(Debug)]
pub struct Route {
    pub id: String,
    pub template: Arc<str>,
    pub methods: Vec<Method>,
    pub target: Arc<Service>,
    pub meter: Meter,
    pub access: Access,
    /// The name of its class.
    pub limit: String,
    pub class: Arc<Class>,
    pub timeout: Duration,
    pub body_timeout: Duration,
    pub body_limit: u64,
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    Any,
    Roles(Vec<Role>),
}

impl Access {
    /// Whether a caller of this role may come in.
    pub fn admits(&self, role: Role) -> bool {
        match self {
            Self::Public | Self::Any => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    #[error("gateway.routes: {0}")]
    Entry(#[from] BadEntry),
    #[error("gateway.routes: `{0}` is reserved")]
    Reserved(String),
    #[error("gateway.routes: `{0}` has an unknown method or none")]
    Methods(String),
    #[error("gateway.routes: `{0}` names the class `{1}`, which gateway.rate_limit.classes does not have")]
    UnknownClass(String, String),
    #[error("gateway.routes: `{0}` lets nobody in")]
    Nobody(String),
    #[error("gateway.routes: `{0}` has a timeout of 0 or more than ten minutes")]
    Timeout(String),
    #[error("gateway.rate_limit.classes has no class `public`")]
    NoPublicClass,
    #[error("gateway.routes is empty")]
    NoRoutes,
    #[error("gateway.trusted_proxies: {0}")]
    Proxies(BadBlock),
    #[error("gateway.monitors: {0}")]
    Monitors(BadBlock),
    #[error("gateway.cors_origins: {0}")]
    Origin(#[from] BadOrigin),
    #[error(transparent)]
    Quota(#[from] BadQuota),
}

impl Rules {
    /// Make rules of the settings. Classes whose numbers are the same keep the buckets of `former`.
    ///
    /// # Errors
    /// Something in them makes no sense.
    pub fn compile(config: &Config, directory: &Directory, former: Option<&Self>) -> Result<Self, BadRules> {
        let gateway = &config.gateway;
        let scale = gateway.rate_limit.scale;
        let mut classes = Classes::new();
        for (name, quota) in &gateway.rate_limit.classes {
            let former = former.and_then(|rules| rules.classes.get(name));
            classes.insert(name.clone(), class(*quota, scale, former)?);
        }
        let quota = gateway.tokens.checks;
        let same = former.filter(|former| former.token_checks.class().is_made_of(quota, scale));
        let token_checks = match same {
            Some(former) => Arc::clone(&former.token_checks),
            None => Arc::new(Failures::new(Class::new(quota, scale)?)),
        };
        let in_flight = Caps::new(usize::MAX, scaled(gateway.rate_limit.in_flight, scale));
        let same = former.filter(|former| former.in_flight.allows_as_many(&in_flight));
        let in_flight = same.map_or(in_flight, |former| former.in_flight.clone());
        let public = classes.get(PUBLIC).cloned().ok_or(BadRules::NoPublicClass)?;
        let mut routes = Vec::new();
        for entry in &gateway.routes {
            routes.push(Arc::new(route(
                entry,
                &classes,
                directory,
                config.server.body_limit,
            )?));
        }
        Ok(Self {
            table: table(&routes)?,
            routes,
            trusted: blocks(&gateway.trusted_proxies).map_err(BadRules::Proxies)?,
            monitors: blocks(&gateway.monitors).map_err(BadRules::Monitors)?,
            cors: Cors::new(&gateway.cors_origins)?,
            classes,
            token_checks,
            in_flight,
            public,
        })
    }

    /// Forget callers whose bucket is full again.
    pub fn sweep(&self) {
        self.classes.values().for_each(|class| class.sweep());
        self.token_checks.sweep();
    }
}

/// A class of these numbers: the former one, with its buckets, if its numbers are the same.
fn class(quota: Quota, scale: f64, former: Option<&Arc<Class>>) -> Result<Arc<Class>, BadQuota> {
    match former.filter(|former| former.is_made_of(quota, scale)) {
        Some(former) => Ok(Arc::clone(former)),
        None => Class::new(quota, scale).map(Arc::new),
    }
}

/// A number multiplied by the scale of all limits, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what a huge scale means"
)]
fn scaled(number: NonZeroU32, scale: f64) -> usize {
    (f64::from(number.get()) * scale).max(1.0) as usize
}

fn table(routes: &[Arc<Route>]) -> Result<Table<Arc<Route>>, BadRules> {
    let mut table = Table::default();
    for route in routes {
        for method in &route.methods {
            table.insert(&route.template, method.clone(), Arc::clone(route))?;
        }
    }
    if routes.is_empty() {
        return Err(BadRules::NoRoutes);
    }
    Ok(table)
}

fn route(
    entry: &RouteEntry,
    classes: &Classes,
    directory: &Directory,
    body_limit: u64,
) -> Result<Route, BadRules> {
    let path = || entry.path.clone();
    let first = entry
        .path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    if first.is_empty() || first.starts_with('{') || RESERVED.contains(&first) {
        return Err(BadRules::Reserved(path()));
    }
    let access = match &entry.who {
        Who::Word(Word::Public) => Access::Public,
        Who::Word(Word::Any) => Access::Any,
        Who::Roles(roles) if roles.is_empty() => return Err(BadRules::Nobody(path())),
        Who::Roles(roles) => Access::Roles(roles.clone()),
    };
    let usual = if access == Access::Public { PUBLIC } else { "user" };
    let name = entry.limit.as_deref().unwrap_or(usual);
    let class = classes
        .get(name)
        .ok_or_else(|| BadRules::UnknownClass(path(), name.to_owned()))?;
    let methods = methods(entry)?;
    let id = id(&methods, &entry.path);
    Ok(Route {
        meter: Meter::route(&entry.path, &id, format!("lb://{}", entry.service)),
        id,
        template: path().into(),
        methods,
        target: directory.service(&entry.service),
        access,
        limit: name.to_owned(),
        class: Arc::clone(class),
        timeout: timeout(entry, entry.timeout_ms, DEFAULT_TIMEOUT)?,
        body_timeout: timeout(entry, entry.body_timeout_ms, DEFAULT_BODY_TIMEOUT)?,
        body_limit: entry.body_limit.unwrap_or(body_limit),
    })
}

fn timeout(entry: &RouteEntry, given_ms: Option<u64>, default: Duration) -> Result<Duration, BadRules> {
    let timeout = given_ms.map_or(default, Duration::from_millis);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        Err(BadRules::Timeout(entry.path.clone()))
    } else {
        Ok(timeout)
    }
}

/// A name that can stand in a path itself, as `get-patch.users.~id`.
fn id(methods: &[Method], template: &str) -> String {
    let methods: Vec<String> = methods
        .iter()
        .map(|method| method.as_str().to_lowercase())
        .collect();
    let path = template.replace('/', ".").replace('{', "~").replace('}', "");
    format!("{}{path}", methods.join("-"))
}

fn methods(entry: &RouteEntry) -> Result<Vec<Method>, BadRules> {
    let known = entry
        .methods
        .iter()
        .map(|method| known(method))
        .collect::<Option<Vec<_>>>();
    known
        .filter(|methods| !methods.is_empty())
        .ok_or_else(|| BadRules::Methods(entry.path.clone()))
}

/// The methods a route may have. HEAD comes with GET; OPTIONS is the gateway's own; TRACE and CONNECT are nobody's.
fn known(method: &str) -> Option<Method> {
    let method: Method = method.parse().ok()?;
    [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ]
    .contains(&method)
    .then_some(method)
}

#[cfg(test)]
mod tests;
