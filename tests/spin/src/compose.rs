//! Puts a component and its dependencies together as Spin does, and keeps from each dependency what
//! it did not inherit.
//!
//! Spin registers each dependency's file under the package of the dependency's name, without its
//! version, so two dependencies of one package are refused. Messages are Spin's own, as far as
//! Spin's code writes them; `outcomes.toml` holds them beside what real Spin did.
//!
//! A dependency's import that would give it the network, a store, variables or the environment is
//! turned into an import of another name, `denied:...`, which the host answers with a trap (see
//! [`crate::deny`]). What it inherits stays as it is and meets the host's own interface.

use std::collections::HashMap;

use wac_graph::types::{ItemKind, Package, SubtypeChecker, Type, WorldId};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId};

use crate::deny;
use crate::error::StartError;
use crate::manifest::{Capability, Dependency};

/// One component made of a component and its dependencies' bytes.
pub(crate) fn compose(
    id: &str,
    component: Vec<u8>,
    dependencies: Vec<(&Dependency, Vec<u8>)>,
) -> Result<Vec<u8>, StartError> {
    Composer {
        graph: CompositionGraph::new(),
        denied: HashMap::new(),
    }
    .compose(id, component, dependencies)
    .map_err(|why| StartError::Compose {
        component: id.to_owned(),
        why,
    })
}

struct Composer {
    graph: CompositionGraph,
    denied: HashMap<String, NodeId>,
}

/// A component in the graph.
#[derive(Clone, Copy)]
struct Part {
    world: WorldId,
    instance: NodeId,
}

impl Composer {
    fn compose(
        mut self,
        id: &str,
        component: Vec<u8>,
        dependencies: Vec<(&Dependency, Vec<u8>)>,
    ) -> Result<Vec<u8>, String> {
        let main = self.add(id, component)?;
        let mut satisfied: HashMap<String, &str> = HashMap::new();
        for (dependency, bytes) in dependencies {
            let name = &dependency.name;
            let imports: Vec<String> = self
                .imports(main)
                .into_iter()
                .map(|(import, _)| import)
                .filter(|import| matches(name, import))
                .collect();
            if imports.is_empty() {
                return Err(format!(
                    "dependency '{name}' doesn't match any imports of component '{id}'"
                ));
            }
            let part = self.add(package(name), bytes)?;
            self.deny(part, &dependency.inherit)
                .map_err(|why| format!("the dependency {name:?}: {why}"))?;
            for import in imports {
                if let Some(other) = satisfied.insert(import.clone(), name) {
                    return Err(format!(
                        "component '{id}' has dependency conflicts: import '{import}' satisfied by \
                         dependencies: '{other}, {name}'"
                    ));
                }
                let export = dependency.export.as_ref().unwrap_or(&import);
                self.connect(name, part, export, main, &import)?;
            }
        }
        let exports: Vec<String> = self.graph.types()[main.world]
            .exports
            .keys()
            .cloned()
            .collect();
        for export in exports {
            let node = self
                .graph
                .alias_instance_export(main.instance, &export)
                .map_err(|error| error.to_string())?;
            self.graph
                .export(node, &export)
                .map_err(|error| error.to_string())?;
        }
        self.graph
            .encode(EncodeOptions::default())
            .map_err(|error| format!("the parts can't be put together: {error:#}"))
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<Part, String> {
        let package = Package::from_bytes(name, None, bytes, self.graph.types_mut())
            .map_err(|error| format!("is not a valid component: {error:#}"))?;
        let world = package.ty();
        let package = self
            .graph
            .register_package(package)
            .map_err(|error| error.to_string())?;
        Ok(Part {
            world,
            instance: self.graph.instantiate(package),
        })
    }

    fn imports(&self, part: Part) -> Vec<(String, ItemKind)> {
        self.graph.types()[part.world]
            .imports
            .iter()
            .map(|(name, kind)| (name.clone(), *kind))
            .collect()
    }

    fn deny(&mut self, part: Part, inherited: &[Capability]) -> Result<(), String> {
        for (import, kind) in self.imports(part) {
            if self.only_types(kind) {
                continue;
            }
            match deny::needs(&import) {
                deny::Need::Nothing => {}
                deny::Need::Capability(capability) if inherited.contains(&capability) => {}
                deny::Need::Capability(_) => {
                    let name = deny::denied_name(&import);
                    let node = match self.denied.get(&name) {
                        Some(node) => *node,
                        None => self
                            .graph
                            .import(name.clone(), kind)
                            .map_err(|error| error.to_string())?,
                    };
                    self.denied.insert(name, node);
                    self.graph
                        .set_instantiation_argument(part.instance, &import, node)
                        .map_err(|error| error.to_string())?;
                }
                deny::Need::Unknown => {
                    return Err(format!(
                        "imports {import:?}, which nothing here gives to a dependency"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether an import is an interface of plain types, which asks nothing of a host.
    fn only_types(&self, kind: ItemKind) -> bool {
        let types = self.graph.types();
        match kind {
            ItemKind::Type(kind) => !matches!(kind, Type::Resource(_)),
            ItemKind::Instance(interface) => types[interface]
                .exports
                .values()
                .all(|item| self.only_types(*item)),
            _ => false,
        }
    }

    fn connect(
        &mut self,
        name: &str,
        from: Part,
        export: &str,
        to: Part,
        import: &str,
    ) -> Result<(), String> {
        let types = self.graph.types();
        let Some(offered) = types[from.world].exports.get(export) else {
            return Err(format!(
                "dependency '{name}' doesn't export '{export}' to satisfy import '{import}'"
            ));
        };
        if let Some(wanted) = types[to.world].imports.get(import) {
            SubtypeChecker::new(&mut Default::default())
                .is_subtype(*offered, types, *wanted, types)
                .map_err(|error| {
                    format!(
                        "dependency '{name}' exports '{export}' which is not compatible with import \
                         '{import}': {error:#}"
                    )
                })?;
        }
        let node = self
            .graph
            .alias_instance_export(from.instance, export)
            .map_err(|error| error.to_string())?;
        self.graph
            .set_instantiation_argument(to.instance, import, node)
            .map_err(|error| error.to_string())
    }
}

/// The package that a dependency is registered under: its name without interface and version.
fn package(name: &str) -> &str {
    let end = name.find(['/', '@']).unwrap_or(name.len());
    &name[..end]
}

/// Whether a dependency's name covers an import: the interface itself, all of its package, any version
/// when none is named.
fn matches(name: &str, import: &str) -> bool {
    let (name, version) = split(name, '@');
    let (import, import_version) = split(import, '@');
    if version.is_some() && version != import_version {
        return false;
    }
    if name.contains('/') || !name.contains(':') {
        name == import
    } else {
        import
            .split_once('/')
            .is_some_and(|(package, _)| package == name)
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_matched_by_interface_package_and_version() {
        for (name, import, fits) in [
            ("a:b/c@1.0.0", "a:b/c@1.0.0", true),
            ("a:b/c", "a:b/c@1.0.0", true),
            ("a:b@1.0.0", "a:b/c@1.0.0", true),
            ("a:b", "a:b/c", true),
            ("plain", "plain", true),
            ("a:b/c@1.0.0", "a:b/c@1.0.1", false),
            ("a:b/c@1.0.0", "a:b/c", false),
            ("a:b", "a:bb/c", false),
            ("a:b/c", "a:b/cc", false),
            ("c", "a:b/c", false),
        ] {
            assert_eq!(matches(name, import), fits, "{name} for {import}");
        }
    }
}
