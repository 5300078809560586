//! Tasks that live as long as the process, and their orderly end.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::RequestContext;

/// Starts loops that are told to stop and are waited for.
#[derive(Clone, Default)]
pub struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
    names: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Background {
    /// Nothing running yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Run `task` until it ends; it must end soon after its token is cancelled.
    pub fn spawn<F, T>(&self, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name);
        let work = RequestContext::background(name).scope(task(self.stop.clone()));
        let task = self.tasks.spawn(work);
        self.tasks.spawn(async move {
            if let Err(error) = task.await
                && error.is_panic()
            {
                // A loop that died silently is a feature that stopped working without notice.
                tracing::error!(task = name, "background task panicked");
            }
        });
    }

    /// Run `work` of the current request to its end, also if the client goes away; it is waited for at the stop.
    ///
    /// # Errors
    /// It panicked.
    pub async fn finish<F>(&self, work: F) -> Result<F::Output, JoinError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let context = RequestContext::current();
        let work = async move {
            match context {
                Some(context) => context.scope(work).await,
                None => work.await,
            }
        };
        self.tasks.spawn(work).await
    }

    /// The names of all tasks that were ever started, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }

    /// The token that is cancelled when the process should stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tell every task to stop.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Wait until every task has ended.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }
}
