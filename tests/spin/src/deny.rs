//! What a dependency may not use: which imports those are, and what the host answers to them.

use std::future::Future;
use std::pin::Pin;

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, ResourceType, Val};

use crate::manifest::Capability;

/// What an import would give.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Clocks, random numbers, output streams, types: nothing to keep from anyone. Sockets and files
    /// are here too, since no component gets any.
    Nothing,
    /// Something that a dependency has to inherit.
    Capability(Capability),
    /// An interface that this host does not know.
    Unknown,
}

/// Whether an import, by its full name, has to be inherited.
pub(crate) fn needs(import: &str) -> Need {
    let name = import.split('@').next().unwrap_or(import);
    Need::Capability(match name {
        "wasi:http/client" | "wasi:http/outgoing-handler" => Capability::OutboundHosts,
        "wasi:cli/environment" => Capability::Environment,
        "fermyon:spin/config" | "fermyon:spin/variables" => Capability::Variables,
        "fermyon:spin/key-value" => Capability::KeyValueStores,
        "wasi:http/types" => return Need::Nothing,
        _ => match name.split('/').next().unwrap_or(name) {
            "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random"
            | "wasi:sockets" => return Need::Nothing,
            "spin:key-value" | "wasi:keyvalue" => Capability::KeyValueStores,
            "spin:variables" | "wasi:config" => Capability::Variables,
            "fermyon:spin" | "spin:mqtt" | "spin:mysql" | "spin:postgres" | "spin:redis"
            | "spin:sqlite" => Capability::Absent,
            _ => return Need::Unknown,
        },
    })
}

/// The name under which a denied import reaches the host.
pub(crate) fn denied_name(import: &str) -> String {
    format!("{PREFIX}{}", import.replacen(':', "-", 1))
}

const PREFIX: &str = "denied:";

/// Defines everything that was denied to the dependencies of this component.
pub(crate) fn link<T: Send + 'static>(
    linker: &mut Linker<T>,
    component: &Component,
    engine: &Engine,
) -> wasmtime::Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        let (true, ComponentItem::ComponentInstance(instance)) =
            (import.starts_with(PREFIX), item.ty)
        else {
            continue;
        };
        let mut linked = linker.instance(import)?;
        for (name, item) in instance.exports(engine) {
            let full = format!("{import}#{name}");
            match item.ty {
                ComponentItem::ComponentFunc(function) if function.async_() => {
                    linked.func_new_concurrent(name, move |_, _, _, _| refuse_later(&full))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let name_only = name.to_owned();
                    linked.func_new(name, move |_, function, _, results| {
                        answer(&full, &name_only, &function, results)
                    })?;
                }
                ComponentItem::Resource(_) => {
                    linked.resource(name, ResourceType::host::<Denied>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A resource that nobody can get.
struct Denied;

/// An environment that was not inherited is empty, since every program looks at it; all else traps.
fn answer(
    full: &str,
    name: &str,
    function: &ComponentFunc,
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let environment = full.contains("/environment");
    if environment && function.results().len() == results.len() {
        let empty = match name {
            "get-environment" | "get-arguments" => Some(Val::List(Vec::new())),
            "initial-cwd" | "get-initial-cwd" => Some(Val::Option(None)),
            _ => None,
        };
        if let (Some(empty), [result]) = (empty, results) {
            *result = empty;
            return Ok(());
        }
    }
    Err(refusal(full))
}

fn refuse_later(
    full: &str,
) -> Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'static>> {
    let refusal = refusal(full);
    Box::pin(async move { Err(refusal) })
}

fn refusal(full: &str) -> wasmtime::Error {
    wasmtime::format_err!(
        "{full}: a dependency used what it did not inherit (inherit_configuration in the manifest)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_outside_has_to_be_inherited() {
        for (import, need) in [
            (
                "wasi:http/client@0.3.0",
                Need::Capability(Capability::OutboundHosts),
            ),
            (
                "wasi:http/outgoing-handler@0.2.6",
                Need::Capability(Capability::OutboundHosts),
            ),
            (
                "spin:key-value/key-value@3.0.0",
                Need::Capability(Capability::KeyValueStores),
            ),
            (
                "spin:variables/variables@3.0.0",
                Need::Capability(Capability::Variables),
            ),
            (
                "wasi:cli/environment@0.2.6",
                Need::Capability(Capability::Environment),
            ),
            (
                "spin:redis/redis@3.0.0",
                Need::Capability(Capability::Absent),
            ),
            ("wasi:http/types@0.3.0", Need::Nothing),
            ("wasi:io/streams@0.2.6", Need::Nothing),
            ("some:thing/else@1.0.0", Need::Unknown),
        ] {
            assert_eq!(needs(import), need, "{import}");
        }
    }
}
