//! Three components into one: world `policy`.

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

use crate::error::LoadError;

/// Composes components, each named by the interface it exports.
pub(crate) fn compose(parts: &[(&'static str, &[u8])]) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compose { detail };
    let mut graph = CompositionGraph::new();
    for (policy, bytes) in parts {
        let package = Package::from_bytes(
            &format!("forebay:{policy}"),
            None,
            bytes.to_vec(),
            graph.types_mut(),
        )
        .map_err(|e| failed(format!("{policy}: {e:#}")))?;
        let package = graph
            .register_package(package)
            .map_err(|e| failed(format!("{policy}: {e:#}")))?;
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

/// The full name of a policy's interface.
pub(crate) fn interface(policy: &str) -> String {
    format!("forebay:edge/{policy}@0.1.0")
}
