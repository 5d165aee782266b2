//! The corpus, and every input that once showed a defect, again.

use forebay_fuzz::{TARGETS, corpus};

#[test]
fn no_target_panics_on_its_corpus() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            target(&input);
            // Every beginning of it too: what was cut off must be refused, not believed.
            for cut in (0..input.len()).step_by(1 + input.len() / 64) {
                target(&input[..cut]);
            }
        }
    }
}
