//! The table: one line for each endpoint.

mod answer;
mod apps;
mod caller;
mod changes;
mod dashboard;
mod leases;
mod operations;
mod replication;
mod server;

pub(crate) use replication::{apply, everything_known};

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, put};
use common::server::Router;

use crate::AppState;

/// Eureka's paths, under both of its prefixes, and the pages for people.
pub fn router(batch_limit: usize) -> Router<AppState> {
    Router::new()
        .nest("/eureka", eureka(batch_limit))
        .nest("/eureka/v2", eureka(batch_limit))
        .route("/serverinfo/statusoverrides", get(server::overrides))
        .route("/", get(dashboard::overview))
        .route("/lastn", get(dashboard::journal))
        .route("/dashboard.css", get(dashboard::style))
        .route("/dashboard.js", get(dashboard::script))
}

fn eureka(batch_limit: usize) -> Router<AppState> {
    let batch = get(replication::everything)
        .post(replication::batch)
        .layer(DefaultBodyLimit::max(batch_limit));
    let table: [(&str, MethodRouter<AppState>); 15] = [
        ("/apps", get(apps::all)),
        ("/apps/delta", get(apps::delta).post(leases::register_delta)),
        ("/apps/{app}", get(apps::application).post(leases::register)),
        (
            "/apps/{app}/{id}",
            get(apps::instance).put(leases::renew).delete(leases::cancel),
        ),
        (
            "/apps/{app}/{id}/status",
            put(operations::set_status).delete(operations::end_status),
        ),
        ("/apps/{app}/{id}/metadata", put(operations::add_metadata)),
        ("/instances/{id}", get(apps::instance_anywhere)),
        ("/vips/{vip}", get(apps::vip)),
        ("/svips/{vip}", get(apps::secure_vip)),
        ("/asg/{name}/status", put(operations::scaling_group)),
        ("/changes", get(changes::wait)),
        ("/peerreplication/batch", batch),
        ("/status", get(server::status)),
        ("/serverinfo/statusoverrides", get(server::overrides)),
        ("/lastn", get(dashboard::journal)),
    ];
    // Clients differ in whether they end a path with a slash.
    let both = |router: Router<AppState>, (path, endpoint): (&str, MethodRouter<AppState>)| {
        router
            .route(path, endpoint.clone())
            .route(&format!("{path}/"), endpoint)
    };
    table.into_iter().fold(Router::new(), both)
}
