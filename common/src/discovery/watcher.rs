//! Follows the registry: a long poll where it is understood, plain polling where not.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::Response;
use tokio_util::sync::CancellationToken;

use super::agent::{Agent, Backoff};
use super::cache;
use super::servers::Silence;
use super::view::{Board, Heard, Memory};
use super::wire::Answer;

const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The task that keeps the board up to date.
pub(super) struct Watcher {
    agent: Arc<Agent>,
    board: Arc<Board>,
    memory: Memory,
    /// The registry answers a long poll.
    pushes: bool,
    /// Contact was lost since the last answer.
    gap: bool,
}

impl Watcher {
    pub(super) fn new(agent: Arc<Agent>, board: Arc<Board>) -> Self {
        let memory = match &agent.settings.cache_file {
            Some(file) => Memory::remembered(cache::load(file)),
            None => Memory::default(),
        };
        board.publish(memory.view());
        Self {
            agent,
            board,
            memory,
            pushes: true,
            gap: true,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::up_to(LONGEST_WAIT);
        while !stop.is_cancelled() {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.until_forgetting()) => {
                    self.memory.forget(self.agent.clock.now());
                    self.publish().await;
                    continue;
                }
                heard = self.listen() => heard,
            };
            self.agent.note(&heard);
            let pause = if let Ok(heard) = heard {
                backoff.reset();
                self.take_in(heard).await;
                if self.pushes {
                    Duration::ZERO
                } else {
                    self.agent.settings.poll_interval()
                }
            } else {
                self.gap = true;
                backoff.wait()
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn until_forgetting(&self) -> Duration {
        let far = Duration::from_hours(1);
        self.memory.next_forgetting().map_or(far, |at| {
            (at - self.agent.clock.now()).to_std().unwrap_or_default()
        })
    }

    /// One answer of the registry, as soon as there is news, or the same again after a while.
    async fn listen(&self) -> Result<Heard, Silence> {
        let (path, patience) = self.question();
        let answer = self.agent.servers.get(&path, patience).await?;
        match answer.status() {
            StatusCode::OK => understand(answer).await,
            // A registry of another make: ask it the question that all of them know.
            StatusCode::NOT_FOUND if self.pushes => {
                let answer = self.agent.servers.get("apps/", Duration::ZERO).await?;
                if answer.status() == StatusCode::OK {
                    understand(answer).await
                } else {
                    refused(&answer)
                }
            }
            _ => refused(&answer),
        }
    }

    fn question(&self) -> (String, Duration) {
        if !self.pushes {
            return ("apps/".to_owned(), Duration::ZERO);
        }
        let Some((version, epoch)) = self.memory.position() else {
            return ("changes".to_owned(), Duration::ZERO);
        };
        let wait = self.agent.settings.wait_s;
        (
            format!("changes?after={version}&epoch={epoch}&wait={wait}"),
            Duration::from_secs(wait),
        )
    }

    async fn take_in(&mut self, heard: Heard) {
        self.pushes = heard.epoch.is_some();
        let keep = self.agent.settings.keep_lost();
        self.memory.learn(heard, self.gap, self.agent.clock.now(), keep);
        self.gap = false;
        self.publish().await;
    }

    async fn publish(&self) {
        if self.board.publish(self.memory.view())
            && let Some(file) = &self.agent.settings.cache_file
        {
            cache::store(file.clone(), self.board.current()).await;
        }
    }
}

async fn understand(answer: Response) -> Result<Heard, Silence> {
    let body = answer.bytes().await?;
    let answer: Answer = serde_json::from_slice(&body)?;
    Ok(Heard {
        version: answer.version,
        epoch: answer.epoch.clone(),
        instances: answer.instances(),
    })
}

fn refused(answer: &Response) -> Result<Heard, Silence> {
    Err(Silence::Refused(answer.status()))
}
