use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

pub async fn add(db: &mut MySqlConnection, phone: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert ignore into opt_outs (phone, created_at) values (?, ?)",
        phone,
        now
    )
    .execute(db)
    .await
    .map(drop)
}

pub async fn remove(db: &mut MySqlConnection, phone: &str) -> sqlx::Result<()> {
    sqlx::query!("delete from opt_outs where phone = ?", phone)
        .execute(db)
        .await
        .map(drop)
}

pub async fn contains(db: &mut MySqlConnection, phone: &str) -> sqlx::Result<bool> {
    let found = sqlx::query!("select created_at from opt_outs where phone = ?", phone)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}
