//! How people are called: as user-service says, or said last when it is away.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::TimeDelta;
use common::clients::users::{UserCard, Users};
use common::clock::Clock;
use common::ids::UserId;
use sqlx::{MySqlConnection, MySqlPool};

use crate::store::people::{self, Person};

/// Reading a visit must not wait long for how its people are called today.
const PATIENCE: Duration = Duration::from_millis(800);

/// Looks names up and remembers them.
#[derive(Clone)]
pub struct Names {
    pool: MySqlPool,
    users: Users,
    clock: Clock,
}

impl Names {
    pub fn new(pool: MySqlPool, users: Users, clock: Clock) -> Self {
        Self { pool, users, clock }
    }

    /// The names of `ids`; those older than `fresh` are asked for again.
    pub async fn of(&self, ids: &[UserId], fresh: TimeDelta) -> sqlx::Result<HashMap<UserId, String>> {
        let ids: Vec<UserId> = ids.iter().copied().collect::<HashSet<_>>().into_iter().collect();
        let known = self.known(&ids).await?;
        let oldest = self.clock.now() - fresh;
        let stale: Vec<UserId> = ids
            .into_iter()
            .filter(|id| known.get(id).is_none_or(|person| person.checked_at < oldest))
            .collect();
        let mut names: HashMap<UserId, String> = known
            .into_values()
            .map(|person| (person.id, person.name))
            .collect();
        if stale.is_empty() {
            return Ok(names);
        }
        match tokio::time::timeout(PATIENCE, self.users.lookup(&stale)).await {
            Ok(Ok(cards)) => {
                let connection = &mut *self.pool.acquire().await?;
                for card in cards {
                    self.store(connection, &card).await?;
                    names.insert(card.id, card.name);
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "names may be out of date"),
            Err(_) => tracing::warn!("names may be out of date: user-service is slow"),
        }
        Ok(names)
    }

    /// No connection is held while user-service is asked.
    async fn known(&self, ids: &[UserId]) -> sqlx::Result<HashMap<UserId, Person>> {
        people::find(&mut *self.pool.acquire().await?, ids).await
    }

    /// Keep the names on `cards`, and thereby the rows that a booking locks.
    pub async fn remember(&self, cards: &[&UserCard]) -> sqlx::Result<()> {
        let connection = &mut *self.pool.acquire().await?;
        let ids: Vec<UserId> = cards.iter().map(|card| card.id).collect();
        let known = people::find(connection, &ids).await?;
        // Writing a row that stays the same would queue behind every booking of that doctor.
        for card in cards
            .iter()
            .filter(|card| known.get(&card.id).is_none_or(|person| person.name != card.name))
        {
            self.store(connection, card).await?;
        }
        Ok(())
    }

    async fn store(&self, connection: &mut MySqlConnection, card: &UserCard) -> sqlx::Result<()> {
        let person = Person {
            id: card.id,
            name: card.name.clone(),
            checked_at: self.clock.now(),
        };
        people::remember(connection, &person).await
    }
}
