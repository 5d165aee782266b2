//! Configures a component once and freezes what that left in its memory.

use std::time::{Duration, Instant};

use wasmtime::component::{Component, Instance};
use wasmtime::{Engine, Store};
use wasmtime_wizer::{WasmtimeWizerComponent, Wizer};

use forebay_gateway::policy::PolicyError;

use crate::bindings;
use crate::compose::{interface, outdated};
use crate::engine::TABLE_ELEMENTS;
use crate::error::LoadError;
use crate::guest::{Guest, Limits};
use crate::options::SandboxOptions;
use crate::trim::trim;
use crate::wasi;

/// A component that is ready to be composed.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// The component, configured if it could be frozen.
    pub(crate) bytes: Vec<u8>,
    /// What each instance has to be configured with, where it could not.
    pub(crate) configure: Option<String>,
}

/// Configures and freezes one policy.
pub(crate) async fn prepare(
    engine: &Engine,
    options: &SandboxOptions,
    policy: &'static str,
    bytes: &[u8],
    config: &str,
) -> Result<Prepared, LoadError> {
    let wizer = Wizer::new();
    let reason = match wizer.instrument_component(bytes) {
        Ok((context, instrumented)) => match Component::new(engine, &instrumented) {
            Ok(component) => {
                let (mut store, instance, _) =
                    configured(engine, options, policy, &component, config).await?;
                let mut state = WasmtimeWizerComponent {
                    store: &mut store,
                    instance,
                };
                match wizer.snapshot_component(&context, &mut state).await {
                    Ok(bytes) => {
                        return Ok(Prepared {
                            // What can't be read here is not taken out; whoever compiles it says why.
                            bytes: trim(&bytes).unwrap_or(bytes),
                            configure: None,
                        });
                    }
                    Err(e) => format!("{e:#}"),
                }
            }
            Err(e) => format!("{e:#}"),
        },
        Err(e) => format!("{e:#}"),
    };
    let component = Component::new(engine, bytes).map_err(|e| LoadError::Compile {
        policy,
        detail: format!("{e:#}"),
    })?;
    let (_, _, took) = configured(engine, options, policy, &component, config).await?;
    tracing::warn!(
        policy,
        reason,
        configure_us = took.as_micros() as u64,
        "this component can't be snapshotted: it is configured again for every request, which takes this long"
    );
    Ok(Prepared {
        bytes: bytes.to_vec(),
        configure: Some(config.to_owned()),
    })
}

/// An instance alone in its store after `configure`, and how long that took.
async fn configured(
    engine: &Engine,
    options: &SandboxOptions,
    policy: &'static str,
    component: &Component,
    config: &str,
) -> Result<(Store<Guest>, Instance, Duration), LoadError> {
    let contract = |e: wasmtime::Error| LoadError::Contract {
        policy,
        detail: format!("{e:#}"),
    };
    let kind = component.component_type();
    let names = kind.imports(engine).map(|(name, _)| name);
    let names = names.chain(kind.exports(engine).map(|(name, _)| name));
    if let Some(found) = outdated(names) {
        return Err(LoadError::Outdated {
            policy,
            found: found.to_owned(),
        });
    }
    let pre = wasi::linker(engine, component)
        .and_then(|linker| linker.instantiate_pre(component))
        .map_err(contract)?;
    match policy {
        "prefix-cache" => bindings::prefix_cache::PrefixCachePolicyPre::new(pre.clone()).map(drop),
        "guardrails" => bindings::guardrails::GuardrailsPolicyPre::new(pre.clone()).map(drop),
        _ => bindings::cloud_selector::CloudSelectorPolicyPre::new(pre.clone()).map(drop),
    }
    .map_err(contract)?;

    let mut store = Guest::store(
        engine,
        Limits {
            memory: options.memory_bytes,
            memories: options.memory_bytes,
            result: options.result_bytes,
            table: TABLE_ELEMENTS,
        },
    );
    Guest::allow(&mut store, options.configure_deadline.as_millis() as u64);
    let instance = match pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(e) => return Err(start(policy, &store, &e)),
    };
    let exported = instance
        .get_export_index(&mut store, None, &interface(policy))
        .and_then(|i| instance.get_export_index(&mut store, Some(&i), "configure"));
    let Some(export) = exported else {
        return Err(LoadError::Contract {
            policy,
            detail: "no export `configure`".into(),
        });
    };
    let configure = instance
        .get_typed_func::<(&str,), (Result<(), String>,)>(&mut store, export)
        .map_err(contract)?;
    let began = Instant::now();
    Guest::runs(&mut store);
    match configure.call_async(&mut store, (config,)).await {
        Ok((Ok(()),)) => {}
        Ok((Err(message),)) => return Err(LoadError::Configure { policy, message }),
        Err(e) => return Err(start(policy, &store, &e)),
    }
    let took = began.elapsed();
    // The snapshot reads whole memories through calls of its own; they are bounded already.
    store.set_hostcall_fuel(usize::MAX);
    Ok((store, instance, took))
}

fn start(policy: &'static str, store: &Store<Guest>, error: &wasmtime::Error) -> LoadError {
    let detail = match store.data().explain(policy, error) {
        PolicyError::Trap { detail, .. } | PolicyError::Nonsense { detail, .. } => detail,
        other => other.to_string(),
    };
    LoadError::Start { policy, detail }
}
