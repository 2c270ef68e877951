//! The command `rawrz-mount`.
use rawrz::{hf, model};
use std::sync::Arc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let m = Arc::new(
        model::Model::open(
            a[1].as_ref(),
            &model::Options { precision: a[3].parse().unwrap(), ..Default::default() },
        )
        .unwrap_or_else(|e| {
            eprintln!("{e}: {:?}", std::error::Error::source(&e).map(|s| s.to_string()));
            std::process::exit(2)
        }),
    );
    let mut b = rawrz_vfs::Tree::builder(m.modified);
    hf::add(&m, hf::Shards::Auto, &mut b, rawrz_vfs::NodeId::ROOT).unwrap();
    eprintln!("open {:?}", t.elapsed());
    let mount = rawrz_fs_unix::mount(b.build(), a[2].as_ref(), &Default::default()).unwrap();
    mount.wait().unwrap();
}
