//! Tells the program which candle it is built with.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").expect("cargo has written it");
    let after = lock.split("name = \"candle-core\"\nversion = \"").nth(1).expect("candle-core is locked");
    let version = after.split('"').next().expect("split gives one");
    println!("cargo::rustc-env=CANDLE_VERSION={version}");
}
