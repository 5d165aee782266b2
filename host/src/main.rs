//! `forebay`: the command line of the native host.

fn main() {}
