//! A router that can tell its table.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, Route};
use futures_util::FutureExt;
use http::{Method, header};
use tower::{Layer, Service, ServiceExt};

/// Methods by path template.
pub type Mappings = BTreeMap<String, Vec<String>>;

/// axum's router, which remembers what was put into it: so `/actuator/mappings` shows every endpoint there is.
#[derive(Debug)]
pub struct Router<S = ()> {
    router: axum::Router<S>,
    paths: Vec<String>,
}

impl<S: Clone + Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self {
            router: axum::Router::new(),
            paths: Vec::new(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// No endpoint yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Let `endpoint` answer at `path`, as [`axum::Router::route`] does.
    #[must_use]
    pub fn route(mut self, path: &str, endpoint: MethodRouter<S>) -> Self {
        self.paths.push(path.to_owned());
        Self {
            router: self.router.route(path, endpoint),
            paths: self.paths,
        }
    }

    /// Put all endpoints of `inner` under `prefix`.
    #[must_use]
    pub fn nest(mut self, prefix: &str, inner: Self) -> Self {
        let below = inner.paths.iter().map(|path| format!("{prefix}{path}"));
        self.paths.extend(below);
        Self {
            router: self.router.nest(prefix, inner.router),
            paths: self.paths,
        }
    }

    /// Take the endpoints of `other` too.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self {
            router: self.router.merge(other.router),
            paths: self.paths,
        }
    }

    /// Put `layer` around every endpoint so far, but not around the refusal of a method.
    #[must_use]
    pub fn route_layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self {
            router: self.router.route_layer(layer),
            paths: self.paths,
        }
    }

    /// Give the handlers what they work with.
    pub fn with_state(self, state: S) -> Router {
        Router {
            router: self.router.with_state(state),
            paths: self.paths,
        }
    }
}

impl Router {
    /// Every path, and the methods that it takes.
    pub fn mappings(&self) -> Mappings {
        let methods = |path: &String| (path.clone(), allowed(&self.router, path));
        self.paths.iter().map(methods).collect()
    }
}

impl From<Router> for axum::Router {
    fn from(router: Router) -> Self {
        router.router
    }
}

/// axum tells the methods of a path only to those who ask with a wrong one. No handler runs for that.
fn allowed(router: &axum::Router, path: &str) -> Vec<String> {
    let Ok(request) = Request::builder()
        .method(Method::TRACE)
        .uri(path)
        .body(Body::empty())
    else {
        return Vec::new();
    };
    let answer: Option<Result<Response, Infallible>> = router.clone().oneshot(request).now_or_never();
    let allow = answer.and_then(|answer| {
        let Ok(answer) = answer;
        answer
            .headers()
            .get(header::ALLOW)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    });
    let allow = allow.unwrap_or_default();
    let methods = allow.split(',').map(str::trim);
    methods
        .filter(|method| !method.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};

    use super::*;

    #[test]
    fn the_table_is_told_with_its_methods() {
        let inner = Router::new().route("/{id}/{*rest}", get(|| async {}).delete(|| async {}));
        let other = Router::new().route("/other", post(|| async {}));
        let router = Router::new().route("/", get(|| async {})).nest("/things", inner);
        let mappings = router.merge(other).with_state(()).mappings();
        let expected = [
            ("/", vec!["GET", "HEAD"]),
            ("/other", vec!["POST"]),
            ("/things/{id}/{*rest}", vec!["GET", "HEAD", "DELETE"]),
        ];
        let expected = expected
            .map(|(path, methods)| (path.to_owned(), methods.into_iter().map(str::to_owned).collect()));
        assert_eq!(mappings, Mappings::from(expected));
    }
}
