//! Table `people`: whom a booking locks, and how they are called.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common::ids::UserId;
use sqlx::{MySqlConnection, QueryBuilder};

/// A participant as last heard of.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub checked_at: DateTime<Utc>,
}

/// Remember `person`, or that their name was heard again.
pub async fn remember(connection: &mut MySqlConnection, person: &Person) -> sqlx::Result<()> {
    let Person { id, name, checked_at } = person;
    sqlx::query!(
        "insert into people (id, name, checked_at) values (?, ?, ?)
         on duplicate key update name = ?, checked_at = ?",
        id,
        name,
        checked_at,
        name,
        checked_at,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Hold the row until the end of the transaction. Always the doctor's first, then the patient's.
pub async fn lock(connection: &mut MySqlConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select id as "id: UserId" from people where id = ? for update"#,
        id
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

/// Those of `ids` that are known.
pub async fn find(connection: &mut MySqlConnection, ids: &[UserId]) -> sqlx::Result<HashMap<UserId, Person>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = QueryBuilder::new("select id, name, checked_at from people where id in (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    query.push(")");
    let people: Vec<Person> = query.build_query_as().fetch_all(connection).await?;
    Ok(people.into_iter().map(|person| (person.id, person)).collect())
}
