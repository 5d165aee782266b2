//! Which files of a crate import each other in a circle. A file that is part of a large circle can't be read, tested
//! or changed without all the others.

mod circles;
mod source;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::places::Places;

/// Where `cargo xtask imports` looks, and how much it allows.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The crate's folder.
    #[arg(long, default_value = "crates/dialect")]
    folder: PathBuf,
    /// How many files may import each other in one circle.
    #[arg(long, default_value_t = MOST)]
    most: usize,
    /// Also list what each file of a circle imports within it.
    #[arg(long)]
    why: bool,
}

/// The most files in one circle.
const MOST: usize = 4;

/// For each file, the files that it imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    let graph = tree::graph(&places.root.join(&args.folder).join("src"))?;
    let circles = circles::circles(&graph);
    let mut lines = Vec::new();
    for circle in circles.iter().filter(|circle| circle.len() > args.most) {
        lines.push(describe(&graph, circle, args.why));
    }
    if !lines.is_empty() {
        bail!(
            "at most {} files may import each other in a circle:\n{}",
            args.most,
            lines.join("\n")
        );
    }
    let largest = circles.iter().map(Vec::len).max().unwrap_or(0);
    println!(
        "{} files in {}; the largest circle of imports has {largest}",
        graph.len(),
        args.folder.display()
    );
    Ok(())
}

fn describe(graph: &Graph, circle: &[String], why: bool) -> String {
    let mut lines = vec![format!("a circle of {} files:", circle.len())];
    for file in circle {
        let within = graph[file].iter().filter(|to| circle.contains(to));
        lines.push(match why {
            true => format!(
                "  {file} -> {}",
                within.cloned().collect::<Vec<_>>().join(" ")
            ),
            false => format!("  {file}"),
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph_of(files: &[(&str, &str)]) -> Graph {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        tree::graph(folder.path()).expect("a graph")
    }

    #[test]
    fn no_file_of_the_dialects_is_in_a_large_circle() {
        let places = Places::find().expect("the checkout");
        let args = Args {
            folder: "crates/dialect".into(),
            most: MOST,
            why: false,
        };
        run(&places, &args).expect("no circle");
    }

    #[test]
    fn a_circle_is_found_through_every_form_of_a_path() {
        let graph = graph_of(&[
            ("lib.rs", "mod a; mod b; mod c; mod d; pub use a::{B as C};"),
            (
                "a/mod.rs",
                "mod own; use crate::{b::Thing, c}; fn f() { own::g() }",
            ),
            ("a/own.rs", "fn g() { super::f() }"),
            ("b.rs", "fn f() -> crate::c::Thing { let x = c::Thing; }"),
            (
                "c.rs",
                "use super::d; fn f() { d::go(\"crate::b::no\") } // crate::b",
            ),
            (
                "d.rs",
                "use crate::a::{self, own as mine}; fn f() { mine::g() }\n#[cfg(test)] mod tests { use crate::b; fn f() { b::f() } }",
            ),
        ]);
        let to = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(to("lib.rs"), ["a/mod.rs"]);
        assert_eq!(to("a/mod.rs"), ["a/own.rs", "b.rs"]);
        assert_eq!(to("a/own.rs"), ["a/mod.rs"]);
        assert_eq!(to("b.rs"), ["c.rs"]);
        assert_eq!(to("c.rs"), ["d.rs"]);
        assert_eq!(to("d.rs"), ["a/own.rs"]);
        let circle = &circles::circles(&graph)[0];
        assert_eq!(circle, &["a/mod.rs", "a/own.rs", "b.rs", "c.rs", "d.rs"]);
        assert!(describe(&graph, circle, true).contains("  c.rs -> d.rs"));
    }
}
