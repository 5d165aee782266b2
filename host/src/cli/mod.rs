//! The command line: `forebay serve`, `check`, `keys`, `bake`, `engine-sim`.
