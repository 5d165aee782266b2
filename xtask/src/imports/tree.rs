//! The modules of a crate, from `lib.rs` down, and which of their files name which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use anyhow::{Context, Result};

use super::Graph;
use super::source::{Path, Source};

/// A crate's modules by their paths, each with its file.
type Modules = BTreeMap<Path, (String, Source)>;

/// Which file names which, in the folder of `lib.rs`. A path counts for the file of the longest
/// module in it; what a module is known by under another name is followed.
pub(super) fn graph(folder: &FilePath) -> Result<Graph> {
    let mut modules = Modules::new();
    collect(folder, "lib.rs".to_owned(), Path::new(), &mut modules)?;
    let mut graph = Graph::new();
    for (module, (file, source)) in &modules {
        let mut found = BTreeSet::new();
        let handed_on = source.handed_on.iter().map(|path| (path, true));
        let used = source.uses.values().map(|path| (path, false));
        let named = source.named.iter().map(|path| (path, false));
        for (path, whole) in handed_on.chain(used).chain(named) {
            let Some(path) = absolute(&modules, module, path) else {
                continue;
            };
            let longest = (0..=path.len()).rev().find_map(|length| {
                let known = modules.get(&path[..length])?;
                Some((known, length < path.len()))
            });
            // A module by itself is named to name what is in it.
            if let Some(((to, _), names_more)) = longest
                && (names_more || whole)
                && to != file
            {
                found.insert(to.clone());
            }
        }
        graph.insert(file.clone(), found);
    }
    Ok(graph)
}

fn collect(folder: &FilePath, file: String, module: Path, modules: &mut Modules) -> Result<()> {
    let path = folder.join(&file);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("could not read {}", path.display()))?;
    let source = Source::read(&text);
    for name in source.modules.clone() {
        let mut child = module.clone();
        child.push(name);
        let plain = format!("{}.rs", child.join("/"));
        let file = match folder.join(&plain).exists() {
            true => plain,
            false => format!("{}/mod.rs", child.join("/")),
        };
        collect(folder, file, child, modules)?;
    }
    modules.insert(module, (file, source));
    Ok(())
}

/// A path from the crate's root on; none where it leads out of the crate.
fn absolute(modules: &Modules, module: &Path, path: &Path) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Path::new(),
        "self" => module.clone(),
        "super" => parent(module)?,
        name => {
            let (_, source) = modules.get(module)?;
            let used = source.uses.get(name);
            if source.modules.iter().any(|child| child == name) {
                let mut child = module.clone();
                child.push(name.to_owned());
                child
            } else {
                // What is named after itself is another crate.
                absolute(
                    modules,
                    module,
                    used.filter(|used| used.first() != Some(first))?,
                )?
            }
        }
    };
    for name in rest {
        match name.as_str() {
            "super" => base = parent(&base)?,
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

fn parent(module: &Path) -> Option<Path> {
    let (_, parent) = module.split_last()?;
    Some(parent.to_vec())
}
