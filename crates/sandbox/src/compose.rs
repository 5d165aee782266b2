//! Components into one: three policies, or an edge and what it imports.

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId, plug};

use crate::error::LoadError;

/// Composes components, each named by the interface it exports.
pub(crate) fn compose(parts: &[(&'static str, &[u8])]) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compose { detail };
    let mut graph = CompositionGraph::new();
    for (policy, bytes) in parts {
        let package = register(&mut graph, policy, bytes)?;
        let instance = graph.instantiate(package);
        let interface = interface(policy);
        let export = graph
            .alias_instance_export(instance, &interface)
            .map_err(|e| failed(format!("{policy}: {e:#}")))?;
        graph
            .export(export, &interface)
            .map_err(|e| failed(format!("{policy}: {e:#}")))?;
    }
    graph
        .encode(EncodeOptions::default())
        .map_err(|e| failed(format!("{e:#}")))
}

/// Plugs components into the imports of another that they fit.
///
/// # Errors
///
/// [`LoadError::Compose`] names the component that is none or that fits no import.
pub fn plug_into(socket: &[u8], plugs: &[(&str, &[u8])]) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compose { detail };
    let mut graph = CompositionGraph::new();
    let mut ids = Vec::with_capacity(plugs.len());
    for (name, bytes) in plugs {
        ids.push(register(&mut graph, name, bytes)?);
    }
    let socket = register(&mut graph, "edge", socket)?;
    plug(&mut graph, ids, socket).map_err(|e| failed(format!("{e:#}")))?;
    graph
        .encode(EncodeOptions::default())
        .map_err(|e| failed(format!("{e:#}")))
}

fn register(
    graph: &mut CompositionGraph,
    name: &str,
    bytes: &[u8],
) -> Result<PackageId, LoadError> {
    let failed = |e: String| LoadError::Compose {
        detail: format!("{name}: {e}"),
    };
    let package = Package::from_bytes(
        &format!("forebay:{name}"),
        None,
        bytes.to_vec(),
        graph.types_mut(),
    )
    .map_err(|e| failed(format!("{e:#}")))?;
    graph
        .register_package(package)
        .map_err(|e| failed(format!("{e:#}")))
}

/// The full name of a policy's interface: each is in a package of its own.
pub(crate) fn interface(policy: &str) -> String {
    format!("forebay:{policy}/{policy}@{VERSION}")
}

/// The version of all contracts.
pub const VERSION: &str = "0.2.0";

/// The one package that all contracts were in before 0.2.0, with its version.
const OUTDATED: &str = "forebay:edge/";

/// What a component was built for, where that is a contract before 0.2.0.
pub(crate) fn outdated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().find(|name| name.starts_with(OUTDATED))
}
