//! A store in a Redis server: keys as they are, one connection that many requests share.

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{AsyncCommands as _, Client, RedisError};
use tokio::sync::OnceCell;

use super::{Failure, too_many_keys};

/// Opened by the first operation, reopened by the driver whenever it breaks.
pub(super) struct RedisStore {
    client: Client,
    connection: OnceCell<ConnectionManager>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's address holds the password.
        f.write_str("RedisStore")
    }
}

impl RedisStore {
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let client = Client::open(url)
            .map_err(|_| "is not redis://[user:password@]host[:port][/database]".to_owned())?;
        Ok(Self {
            client,
            connection: OnceCell::new(),
        })
    }

    async fn connection(&self) -> Result<ConnectionManager, Failure> {
        self.connection
            .get_or_try_init(|| {
                // Who waits has a deadline of its own, so the driver needs none; but a server that
                // went away is tried again by the next operation and not for minutes by this one.
                let config = ConnectionManagerConfig::new().set_number_of_retries(1);
                ConnectionManager::new_with_config(self.client.clone(), config)
            })
            .await
            .cloned()
            .map_err(|error| failure(&error))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut connection = self.connection().await?;
        connection.get(key).await.map_err(|error| failure(&error))
    }

    pub(super) async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Failure> {
        let mut connection = self.connection().await?;
        connection
            .set(key, value)
            .await
            .map_err(|error| failure(&error))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Failure> {
        let mut connection = self.connection().await?;
        connection.del(key).await.map_err(|error| failure(&error))
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, Failure> {
        let mut connection = self.connection().await?;
        connection
            .exists(key)
            .await
            .map_err(|error| failure(&error))
    }

    pub(super) async fn keys(&self, limit: usize) -> Result<Vec<String>, Failure> {
        let mut connection = self.connection().await?;
        let mut keys = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let (next, some): (u64, Vec<String>) = ::redis::cmd("SCAN")
                .arg(cursor)
                .arg("COUNT")
                .arg(1000)
                .query_async(&mut connection)
                .await
                .map_err(|error| failure(&error))?;
            keys.extend(some);
            if keys.len() > limit {
                return Err(too_many_keys(limit));
            }
            if next == 0 {
                // A scan may give a key twice.
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
            cursor = next;
        }
    }
}

/// What kind of error it was: the server's own words might repeat what was sent to it.
fn failure(error: &RedisError) -> Failure {
    match error.code() {
        Some(code) => format!("the store refused: {code}"),
        None => format!("the store can't be reached: {}", error.category()),
    }
}
