//! The command `rawrz-mount`.
fn main() {}
