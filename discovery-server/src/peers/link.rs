//! The conversation with one peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{StatusCode, header};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Change;
use crate::AppState;
use crate::domain::actor::{Actor, Power};
use crate::domain::lease::Lease;
use crate::domain::names::{AppName, InstanceId};
use crate::error::Error;
use crate::routes::adopt;
use crate::wire::batch::{self, Action, Batch, Item, Replies};
use crate::wire::json;

const LARGEST_BATCH: usize = 250;

/// How long changes are collected before they are sent: short, for readers of the peer wait for them.
const COLLECT: Duration = Duration::from_millis(50);

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A peer, what waits for it, and how to reach it.
pub struct Link {
    url: Url,
    credential: (String, SecretString),
    waiting: mpsc::Receiver<Change>,
    is_available: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(
        url: Url,
        credential: (String, SecretString),
        waiting: mpsc::Receiver<Change>,
        is_available: Arc<AtomicBool>,
    ) -> Self {
        Self {
            url,
            credential,
            waiting,
            is_available,
        }
    }

    /// Talk to the peer until `stop`. After every silence both sides tell each other everything.
    pub async fn run(mut self, state: AppState, http: Client, stop: CancellationToken) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.converse(&state, &http) => outcome,
            };
            if self.is_available.swap(false, Ordering::Relaxed) {
                pause = SHORTEST_PAUSE;
                tracing::warn!(peer = %self.url, error = ?outcome.err(), "peer does not answer");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    async fn converse(&mut self, state: &AppState, http: &Client) -> anyhow::Result<()> {
        self.pull(state, http).await?;
        while self.waiting.try_recv().is_ok() {}
        let all: Vec<Item> = state
            .board
            .read(|registry| registry.leases().map(registration).collect());
        for items in all.chunks(LARGEST_BATCH) {
            self.push(state, http, items.to_vec()).await?;
        }
        if !self.is_available.swap(true, Ordering::Relaxed) {
            tracing::info!(peer = %self.url, "in step with peer");
        }
        let mut changes = Vec::new();
        while self.waiting.recv_many(&mut changes, LARGEST_BATCH).await > 0 {
            tokio::time::sleep(COLLECT).await;
            while changes.len() < LARGEST_BATCH
                && let Ok(change) = self.waiting.try_recv()
            {
                changes.push(change);
            }
            let items = changes
                .drain(..)
                .filter_map(|change| item(state, change))
                .collect();
            self.push(state, http, items).await?;
        }
        Ok(())
    }

    /// Take over what the peer knows.
    async fn pull(&self, state: &AppState, http: &Client) -> anyhow::Result<()> {
        let (name, password) = &self.credential;
        let request = http
            .get(self.url.join("apps/")?)
            .header(header::ACCEPT, "application/json");
        let answer = request
            .basic_auth(name, Some(password.expose_secret()))
            .send()
            .await?
            .error_for_status()?;
        let document: Value = answer.json().await?;
        let apps = document["applications"]["application"].as_array();
        let instances = apps
            .into_iter()
            .flatten()
            .filter_map(|app| app["instance"].as_array())
            .flatten();
        for instance in instances {
            self.adopt(state, instance);
        }
        Ok(())
    }

    async fn push(&self, state: &AppState, http: &Client, items: Vec<Item>) -> anyhow::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let replies = self.send(http, items.clone()).await?;
        let mut forgotten = Vec::new();
        for (item, reply) in items.iter().zip(replies.response_list) {
            match (StatusCode::from_u16(reply.status_code), reply.response_entity) {
                (Ok(StatusCode::CONFLICT), Some(theirs)) => self.adopt(state, &theirs),
                (Ok(StatusCode::NOT_FOUND), _)
                    if matches!(item.action, Action::Heartbeat | Action::StatusUpdate) =>
                {
                    let key = AppName::parse(&item.app_name)
                        .ok()
                        .zip(InstanceId::parse(&item.id).ok());
                    forgotten
                        .extend(key.and_then(|(app, id)| self::item(state, Change::Registered(app, id))));
                }
                _ => {}
            }
        }
        if !forgotten.is_empty() {
            self.send(http, forgotten).await?;
        }
        Ok(())
    }

    async fn send(&self, http: &Client, items: Vec<Item>) -> anyhow::Result<Replies> {
        let (name, password) = &self.credential;
        let request = http.post(self.url.join("peerreplication/batch/")?).json(&Batch {
            replication_list: items,
        });
        let answer = request
            .basic_auth(name, Some(password.expose_secret()))
            .send()
            .await?
            .error_for_status()?;
        Ok(answer.json().await?)
    }

    fn adopt(&self, state: &AppState, instance: &Value) {
        let actor = Actor {
            name: "discovery-server".into(),
            power: Power::Replication,
            from: None,
        };
        let adopted = batch::read_value(instance)
            .map_err(Error::from)
            .and_then(|draft| adopt(state, &actor, draft));
        match adopted {
            Ok(()) | Err(Error::Outdated(_)) => {}
            Err(error) => {
                tracing::warn!(peer = %self.url, %error, "an instance of the peer is not taken over");
            }
        }
    }
}

fn item(state: &AppState, change: Change) -> Option<Item> {
    let of = |app: &AppName, id: &InstanceId, action| {
        state.board.read(|registry| {
            registry.lease(app, id).map(|lease| Item {
                action,
                ..registration(lease)
            })
        })
    };
    let bare = |item: Item| Item {
        instance_info: None,
        ..item
    };
    match change {
        Change::Registered(app, id) => of(&app, &id, Action::Register),
        Change::Renewed(app, id) => of(&app, &id, Action::Heartbeat).map(bare),
        Change::OverrideEnded(app, id) => of(&app, &id, Action::DeleteStatusOverride).map(bare),
        Change::Overridden(app, id, status) => of(&app, &id, Action::StatusUpdate).map(|item| Item {
            status: Some(status.as_str().to_owned()),
            ..bare(item)
        }),
        Change::Left(app, id) => Some(Item {
            app_name: app.to_string(),
            id: id.to_string(),
            last_dirty_timestamp: None,
            overridden_status: None,
            status: None,
            instance_info: None,
            action: Action::Cancel,
        }),
    }
}

fn registration(lease: &Lease) -> Item {
    let instance = &lease.instance;
    let mut info = json::instance_value(&lease.shown());
    // The instance's own word; what an operator says stands beside it.
    info["status"] = instance.status.as_str().into();
    Item {
        app_name: instance.app.to_string(),
        id: instance.id.to_string(),
        last_dirty_timestamp: Some(instance.last_dirty),
        overridden_status: lease.override_status.map(|status| status.as_str().to_owned()),
        status: Some(lease.status().as_str().to_owned()),
        instance_info: Some(info),
        action: Action::Register,
    }
}
