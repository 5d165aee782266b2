//! What a request's prompt is to the engines that may get it: its blocks, who holds them, and what
//! each replica is expected to take. For operators: nothing is sent, counted or remembered.

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::Request;
use http::{Method, Request as HttpRequest};
use serde::Serialize;

use super::board::{USUAL_ANSWER, cache_salt, tenant_hash};
use crate::decide::invalid_request;
use crate::enter::ingress::{self, Endpoint};
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::platform::Platform;
use crate::policy::{Caller, Directives, Policies, PolicySession};
use crate::receive::guard::policy_failed;
use crate::route::{ExplainedUpstream, Prefix, View, resolve};

/// What a prompt is to the upstreams that may get it.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The model, as the request names it.
    pub model: String,
    /// The tenant as which the prompt was looked at.
    pub tenant: String,
    /// The upstreams that serve the model, in the configured order.
    pub upstreams: Vec<ExplainedUpstream>,
}

/// Explains a request to this path, as if it came from a tenant.
pub(crate) async fn explain<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    path: &str,
    body: Bytes,
    tenant: Option<&str>,
) -> Result<Explanation, GatewayError> {
    let bad = |what: String| GatewayError::new(ErrorKind::InvalidRequest, what);
    let head = HttpRequest::builder().method(Method::POST).uri(path);
    let head = head
        .body(())
        .map_err(|e| bad(format!("the path \"{path}\": {e}")))?;
    let asked = ingress::read(&head.into_parts().0)?;
    let Endpoint::Generate(target) = asked.endpoint else {
        return Err(bad(format!("\"{path}\" is not an endpoint that generates")));
    };
    let identity = gateway
        .keys()
        .of_tenant(tenant)
        .ok_or_else(|| match tenant {
            Some(tenant) => bad(format!("no API key belongs to the tenant \"{tenant}\"")),
            None => bad("name a tenant (--tenant): each tenant has its own prefixes".to_owned()),
        })?;
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route: asked.route,
    };
    let bytes = body.len();
    let request = Request::parse(target, body).map_err(|e| invalid_request(&e))?;
    let request = Arc::new(request);
    let mut session = gateway
        .policies()
        .session(&caller, bytes)
        .await
        .map_err(|e| policy_failed(&e))?;
    let directives = Directives::default();
    let plan = session.plan(&caller, &request.prompt, &directives);
    let plan = plan.await.map_err(|e| policy_failed(&e))?;
    let tenant_hash = tenant_hash(&identity.secret);
    let output = request.prompt.sampling.max_tokens.unwrap_or(USUAL_ANSWER);
    let mut prefix = Prefix::new(
        &plan.chain,
        tenant_hash,
        request.estimated_input_tokens(),
        output.min(USUAL_ANSWER),
    );
    let platform = gateway.platform();
    let upstreams = gateway.all_upstreams();
    let salt = cache_salt(&identity.secret);
    resolve(
        platform,
        upstreams,
        &request,
        (&identity.key.tenant, &salt),
        &mut prefix,
    )
    .await;
    let model = &request.prompt.model;
    let view = View {
        model,
        chain: &plan.chain,
        tenant: tenant_hash,
        prefix: &prefix,
        last_resort: false,
        explore: false,
        random: 0,
        now: platform.now(),
    };
    let serving = upstreams
        .iter()
        .filter(|upstream| upstream.takes(request.wire(), model));
    Ok(Explanation {
        model: model.clone(),
        tenant: identity.key.tenant.to_string(),
        upstreams: serving.map(|upstream| upstream.explain(view)).collect(),
    })
}
