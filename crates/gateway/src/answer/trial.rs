//! Whether upstreams accept the gateway's credentials: asked for their list of models, which costs
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::gateway::Gateway;
use crate::platform::Platform;
use crate::route::{Replica, Upstream};
use crate::time::timeout;

/// How long an upstream may take: a token may have to be fetched first.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one replica said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// It listed its models.
    Accepted,
    /// It refused the credentials, with this status.
    Refused(u16),
    /// It has no such list: this status says nothing about credentials.
    Unknown(u16),
    /// It did not answer, or the credentials could not be had. For the operator.
    Failed(String),
}

impl<P: Platform> Gateway<P> {
    /// Tries the credentials of every replica of every upstream, all at once: the upstream's name, the
    /// replica's URL, and what it said.
    pub async fn try_credentials(self: &Arc<Self>) -> Vec<(String, String, Trial)> {
        let replicas = self.all_upstreams().iter().flat_map(|upstream| {
            let endpoints = upstream.endpoints.iter();
            endpoints.map(move |endpoint| (upstream, endpoint))
        });
        join_all(replicas.map(|(upstream, endpoint)| async move {
            let trial = one(&**self.platform(), upstream, endpoint).await;
            (upstream.name.to_string(), endpoint.base.to_string(), trial)
        }))
        .await
    }
}

async fn one<P: Platform>(platform: &P, upstream: &Upstream, endpoint: &Replica) -> Trial {
    let Some(request) = upstream.get(endpoint, "/v1/models") else {
        return Trial::Failed("the URL can't be requested".to_owned());
    };
    let asked = timeout(platform, PATIENCE, async {
        let request = match &upstream.authorizer {
            None => request,
            Some(authorizer) => authorizer
                .authorize(request)
                .await
                .map_err(|error| error.message)?,
        };
        let sent = platform.send(request, &upstream.transport).await;
        sent.map(|response| response.status().as_u16())
            .map_err(|error| error.detail)
    });
    match asked.await {
        None => Trial::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
        Some(Err(why)) => Trial::Failed(why),
        Some(Ok(200..=299)) => Trial::Accepted,
        Some(Ok(status @ (401..=403))) => Trial::Refused(status),
        Some(Ok(status)) => Trial::Unknown(status),
    }
}
