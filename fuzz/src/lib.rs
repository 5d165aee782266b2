//! Fuzz targets: one function for each parser that meets what others wrote, and one for the policies. None may panic on any
//! input; what is read must survive what is done with it.
//!
//! `cargo test -p forebay-fuzz` replays the corpus; the program `forebay-fuzz` mutates it for as long
//! as it is told to, on the stable toolchain. See `fuzz/README.md` for coverage guidance.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]

mod answer;
mod door;
mod files;
mod frames;
mod kv_events;
mod payload;
mod policies;
mod request;
mod sse;
mod stored;
mod stream;

/// A target: it panics on an input that shows a defect.
pub type Target = fn(&[u8]);

/// All targets by name. `corpus/NAME` holds what each begins with.
pub const TARGETS: [(&str, Target); 14] = [
    ("answer", answer::answer),
    ("catalogue", stored::catalogue),
    ("configuration", files::configuration),
    ("door", door::door),
    ("entry", stored::entry),
    ("frames", frames::frames),
    ("keys", files::keys),
    ("kv-events", kv_events::kv_events),
    ("payload", payload::payload),
    ("policies", policies::policies),
    ("request", request::request),
    ("settings", stored::settings),
    ("sse", sse::sse),
    ("stream", stream::stream),
];

/// The inputs that a target begins with.
///
/// # Panics
/// If the corpus can't be read.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}
