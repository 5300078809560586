//! The settings turned into what the data path looks things up in. Replaced as a whole, or not at all.

use std::sync::Arc;
use std::time::Duration;

use common::auth::Role;
use http::Method;

use crate::config::{Config, Quota, RouteEntry, Who, Word};
use crate::domain::address::{BadBlock, Block};
use crate::domain::cors::{BadOrigin, Cors};
use crate::domain::table::{BadEntry, Table};
use crate::limits::{BadQuota, Class, Classes};
use crate::meter::Meter;
use crate::proxy::directory::{Directory, Service};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// Paths that are the gateway's own or nobody's, whatever a table says.
/// The class of public routes that name none, and of the gateway's own pages.
const PUBLIC: &str = "public";

const RESERVED: [&str; 6] = ["actuator", "docs", "internal", "livez", "openapi.json", "readyz"];

/// Everything that can change while the gateway runs.
#[derive(Debug)]
pub struct Rules {
    pub table: Table<Arc<Route>>,
    pub trusted: Vec<Block>,
    pub cors: Cors,
    pub classes: Classes,
    /// Tokens looked at per address.
    pub token_checks: Arc<Class>,
    /// The class of the gateway's own pages.
    pub public: Arc<Class>,
}

/// One way in.
#[derive(Debug)]
pub struct Route {
    pub template: String,
    pub target: Arc<Service>,
    pub meter: Meter,
    pub access: Access,
    pub class: Arc<Class>,
    pub timeout: Duration,
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
    Block(#[from] BadBlock),
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
        let token_checks = class(
            gateway.tokens.checks,
            scale,
            former.map(|rules| &rules.token_checks),
        )?;
        let public = classes.get(PUBLIC).cloned().ok_or(BadRules::NoPublicClass)?;
        let mut table = Table::default();
        for entry in &gateway.routes {
            let route = Arc::new(route(entry, &classes, directory, config.server.body_limit)?);
            for method in methods(entry)? {
                table.insert(&entry.path, method, Arc::clone(&route))?;
            }
        }
        if gateway.routes.is_empty() {
            return Err(BadRules::NoRoutes);
        }
        let (trusted, cors) = (gateway.trusted()?, Cors::new(&gateway.cors_origins)?);
        Ok(Self {
            table,
            trusted,
            cors,
            classes,
            token_checks,
            public,
        })
    }

    /// Forget callers whose bucket is full again.
    pub fn sweep(&self) {
        self.classes
            .values()
            .chain([&self.token_checks])
            .for_each(|class| class.sweep());
    }
}

/// A class of these numbers: the former one, with its buckets, if its numbers are the same.
fn class(quota: Quota, scale: f64, former: Option<&Arc<Class>>) -> Result<Arc<Class>, BadQuota> {
    match former.filter(|former| former.is_made_of(quota, scale)) {
        Some(former) => Ok(Arc::clone(former)),
        None => Class::new(quota, scale).map(Arc::new),
    }
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
    let timeout = entry.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        return Err(BadRules::Timeout(path()));
    }
    Ok(Route {
        template: path(),
        target: directory.service(&entry.service),
        meter: Meter::default(),
        access,
        class: Arc::clone(class),
        timeout,
        body_limit: entry.body_limit.unwrap_or(body_limit),
    })
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
