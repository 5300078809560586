//! The conversation with one peer.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use http::StatusCode;
use http::header::ACCEPT;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Change, Standing};
use crate::AppState;
use crate::domain::actor::{Actor, Power};
use crate::domain::names::{AppName, InstanceId};
use crate::error::Error;
use crate::routes::{apply, everything_known};
use crate::wire::batch::{Action, Ages, Batch, Item, Replies, Reply};
use crate::wire::foreign;

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
    standing: Arc<Standing>,
}

impl Link {
    pub(super) fn new(
        url: Url,
        credential: (String, SecretString),
        waiting: mpsc::Receiver<Change>,
        standing: Arc<Standing>,
    ) -> Self {
        Self {
            url,
            credential,
            waiting,
            standing,
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
            if self.standing.is_me() {
                tracing::info!(peer = %self.url, "this peer is the server itself");
                return;
            }
            if self.standing.lost() {
                pause = SHORTEST_PAUSE;
                tracing::warn!(peer = %self.url, error = ?outcome.err(), "out of step with peer");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    /// Ends when the peer turns out to be this server, or is out of step.
    async fn converse(&mut self, state: &AppState, http: &Client) -> anyhow::Result<()> {
        self.pull(state, http).await?;
        if self.standing.is_me() {
            return Ok(());
        }
        self.forget_waiting();
        for items in everything_known(state).chunks(LARGEST_BATCH) {
            self.push(state, http, items.to_vec()).await?;
        }
        if self.standing.found() {
            tracing::info!(peer = %self.url, "in step with peer");
        }
        while let Some(changes) = self.collect().await? {
            let items = changes
                .into_iter()
                .filter_map(|change| item(state, change))
                .collect();
            self.push(state, http, items).await?;
        }
        Ok(())
    }

    /// The registry itself tells all that has happened until now.
    pub(super) fn forget_waiting(&mut self) {
        self.standing.told_everything();
        while self.waiting.try_recv().is_ok() {}
    }

    /// The changes of a moment; none when nobody can make any more. Fails if there were more than could wait.
    pub(super) async fn collect(&mut self) -> anyhow::Result<Option<Vec<Change>>> {
        let mut changes = Vec::new();
        if self.waiting.recv_many(&mut changes, LARGEST_BATCH).await == 0 {
            return Ok(None);
        }
        tokio::time::sleep(COLLECT).await;
        while changes.len() < LARGEST_BATCH
            && let Ok(change) = self.waiting.try_recv()
        {
            changes.push(change);
        }
        anyhow::ensure!(!self.standing.has_missed(), "more changes than can wait");
        Ok(Some(changes))
    }

    /// Take over what the peer knows.
    async fn pull(&self, state: &AppState, http: &Client) -> anyhow::Result<()> {
        let begun = state.board.now();
        let theirs = match self.ask(http.get(self.batches()?)).await {
            Ok(answer) => answer.json().await?,
            Err(error) if is_unknown_there(&error) => self.foreign(http).await?,
            Err(error) => return Err(error.into()),
        };
        if theirs.epoch.as_deref() == Some(state.board.epoch()) {
            self.standing.recognise();
            return Ok(());
        }
        // What was on its way for a while must not look younger than it is.
        let transit = (state.board.now() - begun)
            .max(TimeDelta::zero())
            .num_milliseconds();
        for mut item in theirs.replication_list {
            item.ages.heard_ms = item.ages.heard_ms.map(|age| age.saturating_add(transit));
            self.take(state, &item);
        }
        Ok(())
    }

    /// What a server that is none of ours tells to everybody.
    async fn foreign(&self, http: &Client) -> anyhow::Result<Batch> {
        let request = http
            .get(self.url.join("apps/")?)
            .header(ACCEPT, "application/json");
        let answer = self.ask(request).await?;
        let headers = answer.headers().clone();
        Ok(Batch {
            epoch: None,
            replication_list: foreign::registrations(&answer.json().await?, &headers),
        })
    }

    async fn push(&self, state: &AppState, http: &Client, items: Vec<Item>) -> anyhow::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let replies = self.send(http, items.clone()).await?;
        let mut forgotten = Vec::new();
        for (item, reply) in items.into_iter().zip(replies.response_list) {
            match StatusCode::from_u16(reply.status_code) {
                Ok(StatusCode::CONFLICT) => self.adopt(state, item, reply),
                Ok(StatusCode::NOT_FOUND)
                    if matches!(item.action, Action::Heartbeat | Action::StatusUpdate) =>
                {
                    forgotten.extend(known(state, &item.app_name, &item.id));
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
        let request = http.post(self.batches()?).json(&Batch {
            epoch: None,
            replication_list: items,
        });
        Ok(self.ask(request).await?.json().await?)
    }

    fn batches(&self) -> anyhow::Result<Url> {
        Ok(self.url.join("peerreplication/batch/")?)
    }

    async fn ask(&self, request: RequestBuilder) -> reqwest::Result<reqwest::Response> {
        let (name, password) = &self.credential;
        let request = request.basic_auth(name, Some(password.expose_secret()));
        request.send().await?.error_for_status()
    }

    /// The peer's copy is newer than what it was told.
    fn adopt(&self, state: &AppState, item: Item, reply: Reply) {
        let newer = Item {
            action: Action::Register,
            instance_info: reply.response_entity,
            ages: reply.ages,
            ..item
        };
        self.take(state, &newer);
    }

    fn take(&self, state: &AppState, item: &Item) {
        let actor = Actor {
            name: "discovery-server".into(),
            power: Power::Replication,
            from: None,
        };
        match apply(state, &actor, item) {
            // Old news are no error.
            Ok(()) | Err(Error::Outdated(_) | Error::NotFound) => {}
            Err(error) => {
                tracing::warn!(peer = %self.url, %error, "what the peer tells is not taken over");
            }
        }
    }
}

/// Eureka's own servers know no way to ask for a batch.
fn is_unknown_there(error: &reqwest::Error) -> bool {
    matches!(
        error.status(),
        Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
    )
}

/// What is known of an instance that the peer has forgotten, with its age: the peer may have been told more.
fn known(state: &AppState, app: &str, id: &str) -> Option<Item> {
    let (app, id) = (AppName::parse(app).ok()?, InstanceId::parse(id).ok()?);
    let now = state.board.now();
    state.board.read(|registry| {
        registry
            .lease(&app, &id)
            .map(|lease| Item::registration(lease, now))
    })
}

/// A change that has just happened: the peer takes it in the order in which it is told.
fn item(state: &AppState, change: Change) -> Option<Item> {
    let of = |app: &AppName, id: &InstanceId, action| {
        let item = known(state, app.as_str(), id.as_str())?;
        let ages = Ages {
            overridden_ms: item.ages.overridden_ms,
            ..Ages::default()
        };
        Some(Item { ages, action, ..item })
    };
    let bare = |item: Item| Item {
        instance_info: None,
        ..item
    };
    match change {
        Change::Registered(app, id) => of(&app, &id, Action::Register),
        Change::Renewed(app, id) => of(&app, &id, Action::Heartbeat).map(bare),
        Change::OverrideEnded(app, id, reported) => {
            of(&app, &id, Action::DeleteStatusOverride).map(|item| Item {
                status: reported.map(|status| status.as_str().to_owned()),
                ..bare(item)
            })
        }
        Change::Overridden(app, id, status) => of(&app, &id, Action::StatusUpdate).map(|item| Item {
            status: Some(status.as_str().to_owned()),
            ..bare(item)
        }),
        Change::Left(app, id) => Some(Item::departure((&app, &id), None)),
    }
}
