use std::str::FromStr;

use secrecy::SecretString;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool};
use uuid::Uuid;

use common::mysql::{self, MySqlSettings};

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where the servers are by the environment"
)]
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or `. .dev/test.env` first"))
}

fn fresh_name() -> String {
    format!("test_{}", Uuid::new_v4().simple())
}

/// The broker for tests, with all rights.
pub fn amqp_url() -> String {
    variable("TEST_AMQP_URL")
}

/// An empty MySQL database of one's own: its URL.
pub async fn mysql_url() -> String {
    let server = variable("TEST_MYSQL_URL");
    let name = fresh_name();
    let mut admin = MySqlConnection::connect_with(&MySqlConnectOptions::from_str(&server).unwrap())
        .await
        .unwrap();
    let create = format!("create database {name} character set utf8mb4 collate utf8mb4_bin");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    url.into()
}

/// A MySQL database of one's own with the schema of `migrator`, through the very pool that the service uses.
pub async fn mysql_database(migrator: &Migrator) -> MySqlPool {
    let settings = MySqlSettings {
        url: Some(SecretString::from(mysql_url().await)),
        max_connections: 12,
        acquire_timeout_ms: 10_000,
    };
    mysql::connect(&settings, migrator).await.unwrap()
}

/// An empty MongoDB database of one's own: its URL.
pub fn mongo_url() -> String {
    let mut url = url::Url::parse(&variable("TEST_MONGODB_URL")).unwrap();
    url.set_path(&fresh_name());
    url.into()
}

/// A MongoDB database of one's own.
pub async fn mongo_database() -> mongodb::Database {
    let client = mongodb::Client::with_uri_str(variable("TEST_MONGODB_URL"))
        .await
        .unwrap();
    client.database(&fresh_name())
}
