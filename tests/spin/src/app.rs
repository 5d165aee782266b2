//! An application: its components compiled, each with a handler, and the routes to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::{Component as Compiled, Linker};
use wasmtime_wasi_http::handler::{ProxyHandler, ProxyPre};
use wasmtime_wasi_http::{p2, p3};

use crate::error::StartError;
use crate::instance::{self, Blueprint, Guest, Reuse, Workers};
use crate::key_value::Stores;
use crate::manifest::{Component, Manifest, Router, Values};
use crate::outbound::{AllowedHosts, Clients};
use crate::runtime_config::RuntimeConfig;
use crate::variables::Variables;
use crate::{compose, deny};

/// How an application is served. The defaults are Spin's unless said otherwise.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest, `spin.toml`.
    pub manifest: PathBuf,
    /// The runtime configuration, where there is one.
    pub runtime_config: Option<PathBuf>,
    /// Where to listen. Default 127.0.0.1:3000; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Values of the application's variables, before `SPIN_VARIABLE_NAME` and defaults.
    pub variables: Vec<(String, String)>,
    /// Requests that an instance serves before it is dropped. Default 128.
    pub requests_per_instance: usize,
    /// Requests that an instance serves at the same time. Default 16.
    pub concurrent_per_instance: usize,
    /// How long an instance is kept without a request. Default 1 s.
    pub idle_instance: Duration,
    /// From a request to the head of its answer, and from there to the end of the guest's work.
    /// Default 10 min: a long answer of a slow model. Spin has no limit unless one is given.
    pub request_timeout: Duration,
    /// Bytes of memory that an instance may have, all its parts together. Default 256 MiB.
    pub memory: usize,
    /// How long an operation of a key-value store may take. Default 5 s.
    pub store_timeout: Duration,
    /// Requests at the same time, over all components; beyond it 503. Default 1000.
    pub requests: usize,
    /// How long answers may go on when it is told to stop. Default 30 s.
    pub drain: Duration,
}

impl Options {
    /// The defaults for a manifest.
    pub fn new(manifest: impl Into<PathBuf>) -> Self {
        Self {
            manifest: manifest.into(),
            runtime_config: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            variables: Vec::new(),
            requests_per_instance: 128,
            concurrent_per_instance: 16,
            idle_instance: Duration::from_secs(1),
            request_timeout: Duration::from_secs(600),
            memory: 256 << 20,
            store_timeout: Duration::from_secs(5),
            requests: 1000,
            drain: Duration::from_secs(30),
        }
    }
}

/// The components' handlers and the routes to them.
pub(crate) struct Handlers {
    pub(crate) router: Router,
    pub(crate) components: Vec<ProxyHandler<Workers>>,
}

/// Reads, composes and compiles everything.
pub(crate) fn load(options: &Options, engine: &Engine) -> Result<Handlers, StartError> {
    let manifest = Manifest::load(&options.manifest)?;
    let runtime = match &options.runtime_config {
        Some(file) => RuntimeConfig::load(file)?,
        None => RuntimeConfig::default(),
    };
    let values = Values::find(&manifest.variables, &options.variables, |name| {
        std::env::var(name).ok()
    })?;
    let clients = Clients::new(&runtime.outbound_http, runtime.client_tls)?;
    let stores = Stores::new(runtime.key_value_stores, options.store_timeout)?;
    let used: BTreeSet<&str> = manifest
        .components
        .values()
        .flat_map(|component| component.key_value_stores.iter().map(String::as_str))
        .collect();
    stores.review(&used);

    // Only what a route leads to is compiled: others are there to be dependencies.
    let mut numbers = BTreeMap::new();
    let mut components = Vec::new();
    for (_, id) in &manifest.routes {
        if numbers.contains_key(id) {
            continue;
        }
        let component = manifest.components.get(id).ok_or_else(|| {
            StartError::invalid(
                "trigger.http.component",
                format!("there is no component {id:?}"),
            )
        })?;
        let blueprint = Blueprint {
            id: id.as_str().into(),
            environment: component.environment.clone().into_iter().collect(),
            allowed: AllowedHosts::resolve(
                &format!("component.{id}.allowed_outbound_hosts"),
                &component.allowed_outbound_hosts,
                &values,
            )?,
            labels: component.key_value_stores.clone().into(),
            variables: Variables::resolve(
                &format!("component.{id}.variables"),
                &component.variables,
                &values,
            )?,
            stores: stores.clone(),
            clients: clients.clone(),
            memory: options.memory,
        };
        numbers.insert(id.clone(), components.len());
        components.push(ProxyHandler::new(Workers {
            engine: engine.clone(),
            pre: compile(id, component, engine)?,
            blueprint,
            reuse: Reuse {
                requests: options.requests_per_instance.max(1),
                concurrent: options.concurrent_per_instance.max(1),
                idle: options.idle_instance,
                request_timeout: options.request_timeout,
            },
        }));
    }
    let routes = manifest.routes.into_iter();
    let router = Router::new(routes.filter_map(|(route, id)| {
        let number = numbers.get(&id).copied()?;
        Some((route, number))
    }))?;
    tracing::info!(
        app = manifest.name,
        version = manifest.version,
        components = components.len(),
        "the application is loaded"
    );
    Ok(Handlers { router, components })
}

fn compile(
    id: &str,
    component: &Component,
    engine: &Engine,
) -> Result<ProxyPre<Guest>, StartError> {
    let refused = |error: wasmtime::Error| StartError::Component {
        component: id.to_owned(),
        why: format!("{error:#}"),
    };
    let bytes = read(id, "the component", &component.source)?;
    let dependencies = component
        .dependencies
        .iter()
        .map(|dependency| {
            let what = format!("the dependency {}", dependency.name);
            Ok((dependency, read(id, &what, &dependency.source)?))
        })
        .collect::<Result<Vec<_>, StartError>>()?;
    let composed = compose::compose(id, bytes, dependencies)?;
    let compiled = Compiled::new(engine, composed).map_err(refused)?;
    let mut linker = Linker::new(engine);
    instance::link(&mut linker).map_err(refused)?;
    deny::link(&mut linker, &compiled, engine).map_err(refused)?;
    let pre = linker.instantiate_pre(&compiled).map_err(refused)?;
    match p3::bindings::ServicePre::new(pre.clone()) {
        Ok(service) => Ok(ProxyPre::P3(service)),
        Err(_) => p2::bindings::ProxyPre::new(pre)
            .map(ProxyPre::P2)
            .map_err(|_| StartError::Component {
                component: id.to_owned(),
                why: "it exports neither wasi:http/handler@0.3.0 nor wasi:http/incoming-handler@0.2, \
                      so it can't handle requests"
                    .to_owned(),
            }),
    }
}

fn read(id: &str, what: &str, file: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(file).map_err(|why| StartError::Read {
        what: format!("{what} of component.{id}; build it first"),
        path: file.to_owned(),
        why,
    })
}
