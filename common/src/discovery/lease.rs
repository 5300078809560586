//! Standing in the registry: register, renew, register again when forgotten, leave.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::agent::{Agent, Backoff};
use super::servers::Silence;

const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a service says of itself.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The service's name, such as `user-service`; the registry upper-cases it.
    pub app: String,
    /// The address under which others reach it.
    pub host: IpAddr,
    /// The port that its listener got.
    pub port: u16,
    /// Where its health is told, such as `/actuator/health`.
    pub health_path: String,
    /// Where it tells what it is, such as `/actuator/info`.
    pub status_path: String,
    /// Free pairs.
    pub metadata: BTreeMap<String, String>,
}

/// A registration and how it stands.
pub(super) struct Lease {
    registration: Registration,
    /// Milliseconds since the epoch; tells this life of the instance from a former one at the same address.
    born: i64,
    held: bool,
}

/// Keep `registration` in the registry until [`end`].
pub(super) fn keep(agent: Arc<Agent>, registration: Registration) {
    let background = agent.background.clone();
    background.spawn("registry-lease", |stop| async move {
        let born = agent.clock.now().timestamp_millis();
        *agent.lease.lock().await = Some(Lease {
            registration,
            born,
            held: false,
        });
        let mut backoff = Backoff::up_to(agent.settings.renewal_interval());
        loop {
            let pause = match refresh(&agent).await {
                Ok(()) => {
                    backoff.reset();
                    agent.settings.renewal_interval()
                }
                Err(error) => {
                    tracing::warn!(%error, "lease in the registry cannot be kept; trying again");
                    backoff.wait()
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = agent.left.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

/// Leave the registry, if this process stands in it.
pub(super) async fn end(agent: &Agent) {
    let leaving = async {
        // Held until the end, so that no renewal brings the instance back.
        let mut lease = agent.lease.lock().await;
        agent.left.cancel();
        let Some(lease) = lease.take().filter(|lease| lease.held) else {
            return Ok(());
        };
        agent
            .servers
            .post(&lease.app_path(), &lease.document("DOWN", agent))
            .await?;
        agent.servers.delete(&lease.path()).await?;
        Ok::<(), Silence>(())
    };
    match tokio::time::timeout(LEAVE_TIMEOUT, leaving).await {
        Ok(Ok(())) => tracing::info!("left the registry"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not leave the registry; the lease will end by itself");
        }
        Err(_) => tracing::warn!("the registry was too slow to leave it; the lease will end by itself"),
    }
}

/// Whether the registry has confirmed the registration.
pub(super) async fn is_held(agent: &Agent) -> bool {
    agent.lease.lock().await.as_ref().is_some_and(|lease| lease.held)
}

/// Renew the lease, or register if there is none.
async fn refresh(agent: &Agent) -> Result<(), Silence> {
    let mut lease = agent.lease.lock().await;
    let Some(lease) = lease.as_mut().filter(|_| !agent.left.is_cancelled()) else {
        return Ok(());
    };
    if lease.held {
        let path = format!("{}?status=UP&lastDirtyTimestamp={}", lease.path(), lease.born);
        match agent.servers.put(&path).await?.status() {
            StatusCode::OK => return Ok(()),
            StatusCode::NOT_FOUND => lease.held = false,
            other => return Err(Silence::Refused(other)),
        }
    }
    let answer = agent
        .servers
        .post(&lease.app_path(), &lease.document("UP", agent))
        .await?;
    if !answer.status().is_success() {
        return Err(Silence::Refused(answer.status()));
    }
    lease.held = true;
    tracing::info!(instance = lease.id(), "stands in the registry");
    Ok(())
}

impl Lease {
    fn id(&self) -> String {
        let Registration { app, host, port, .. } = &self.registration;
        format!("{host}:{app}:{port}")
    }

    fn app_path(&self) -> String {
        format!("apps/{}", self.registration.app.to_ascii_uppercase())
    }

    fn path(&self) -> String {
        format!("{}/{}", self.app_path(), self.id())
    }

    fn document(&self, status: &str, agent: &Agent) -> Value {
        let Registration {
            app,
            host,
            port,
            health_path,
            status_path,
            metadata,
        } = &self.registration;
        let base = format!("http://{}", std::net::SocketAddr::new(*host, *port));
        json!({"instance": {
            "instanceId": self.id(),
            "hostName": host,
            "app": app.to_ascii_uppercase(),
            "ipAddr": host,
            "status": status,
            "overriddenstatus": "UNKNOWN",
            "port": {"$": port, "@enabled": "true"},
            "securePort": {"$": 443, "@enabled": "false"},
            "countryId": 1,
            "dataCenterInfo": {
                "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
                "name": "MyOwn",
            },
            "leaseInfo": {
                "renewalIntervalInSecs": agent.settings.renewal_interval().as_secs(),
                "durationInSecs": agent.settings.lease_duration_s.max(1),
            },
            "metadata": metadata,
            "homePageUrl": format!("{base}/"),
            "statusPageUrl": format!("{base}{status_path}"),
            "healthCheckUrl": format!("{base}{health_path}"),
            "vipAddress": app,
            "secureVipAddress": app,
            "isCoordinatingDiscoveryServer": "false",
            "lastDirtyTimestamp": self.born.to_string(),
            "lastUpdatedTimestamp": agent.clock.now().timestamp_millis().to_string(),
        }})
    }
}
