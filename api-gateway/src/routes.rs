//! The gateway's own pages.

mod docs;
mod index;
mod table;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_extractor_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, body::Body};
use common::actuator::{Actuator, Operator};
use common::problem::Problem;
use common::server;
use http::{HeaderMap, Response, StatusCode};
use tower_governor::{GovernorError, GovernorLayer};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::too_many;
use crate::limits::{Allowance, Class};
use crate::rules::Rules;

/// The pages, ready to be asked.
#[derive(Clone)]
pub struct Pages {
    /// For whoever watches whether the gateway is there: no token, no limit.
    probes: Router,
    /// The same for whoever says who they are: looking at that costs something.
    named_probes: Router,
    /// The rest of the monitoring endpoints.
    monitoring: Router,
    public: Router,
    class: Arc<Class>,
}

const PUBLIC: [&str; 3] = ["/", "/docs", "/openapi.json"];
const MONITORING: &str = "/actuator/**";
const PROBES: [&str; 3] = ["/actuator/health", "/livez", "/readyz"];

impl Pages {
    /// The pages, limited per client address; they show the routes of `rules`.
    pub fn new(actuator: &Actuator, rules: &Rules) -> Self {
        let class = Arc::clone(&rules.public);
        let public = server::Router::new()
            .route("/", get(index::index))
            .route("/docs", get(docs::page))
            .route("/openapi.json", get(docs::openapi));
        let routes = table::router(rules);
        actuator.serves(&[&public, &routes]);
        let monitoring = actuator.router().merge(routes);
        let operators = from_extractor_with_state::<Operator, Actuator>(actuator.clone());
        Self {
            probes: finish(actuator.router().into()),
            named_probes: limited(finish(actuator.router().into()), &class),
            monitoring: limited(finish(monitoring.into()).layer(operators), &class),
            public: limited(finish(public.into()), &class),
            class,
        }
    }

    /// The class that they are counted in.
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// The name under which a path is counted and logged, if a page of the gateway's answers there.
    pub fn template(path: &str) -> Option<&'static str> {
        let exact = PUBLIC.into_iter().chain(PROBES).find(|page| *page == path);
        exact.or_else(|| (path == "/actuator" || path.starts_with("/actuator/")).then_some(MONITORING))
    }

    /// All that [`Pages::template`] can say.
    pub fn templates() -> impl Iterator<Item = &'static str> {
        PUBLIC.into_iter().chain(PROBES).chain([MONITORING])
    }

    /// Whether the path is asked for by machines, all the time.
    pub fn is_probe(template: &str) -> bool {
        PROBES.contains(&template)
    }

    /// Who answers on a path that has a [`Pages::template`], and whether the asker says who that is.
    pub fn router(&self, template: &str, is_named: bool) -> Router {
        match template {
            probe if Self::is_probe(probe) && is_named => self.named_probes.clone(),
            probe if Self::is_probe(probe) => self.probes.clone(),
            MONITORING => self.monitoring.clone(),
            _ => self.public.clone(),
        }
    }

    /// What tower-governor said in headers of its own, in ours.
    pub fn translate_limits(&self, headers: &mut HeaderMap) {
        let remaining = headers
            .remove("x-ratelimit-remaining")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        for theirs in ["x-ratelimit-limit", "x-ratelimit-after"] {
            headers.remove(theirs);
        }
        if let Some(remaining) = remaining {
            self.class.allowance(remaining).tell(headers);
        }
    }
}

fn finish(router: Router) -> Router {
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { crate::error::method_not_allowed() })
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(CatchPanicLayer::custom(|_| Problem::internal().into_response()))
}

fn limited(router: Router, class: &Arc<Class>) -> Router {
    let (layer, class) = (GovernorLayer::new(class.layer_config()), Arc::clone(class));
    router.layer(layer.error_handler(move |error| refused(&class, &error)))
}

fn refused(class: &Class, error: &GovernorError) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        tracing::error!(%error, "a page was asked for without the key of its caller");
        return Problem::internal().into_response();
    };
    let allowance = Allowance {
        refused_for_s: Some(wait_time + 1),
        ..class.allowance(0)
    };
    let mut response = too_many(allowance).into_response();
    debug_assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    allowance.tell(response.headers_mut());
    response
}
