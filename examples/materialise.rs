//! Writes a model's folder to disk without a mount: `materialise SOURCE DIRECTORY [auto|bf16|fp16|fp32]`.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rawrz::hf::{self, Shards};
use rawrz::model::{Model, Options, Precision};
use rawrz_vfs::{Kind, NodeId, Tree};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [source, directory, precision @ ..] = arguments.as_slice() else {
        return Err("usage: materialise SOURCE DIRECTORY [auto|bf16|fp16|fp32]".into());
    };
    let precision = precision.first().map_or(Ok(Precision::Auto), |p| p.parse())?;
    let model = Arc::new(Model::open(source.as_ref(), &Options { precision, ..Options::default() })?);
    let mut tree = Tree::builder(model.modified);
    hf::add(&model, Shards::Auto, &mut tree, NodeId::ROOT)?;
    write(&tree.build(), NodeId::ROOT, directory.as_ref())
}

fn write(tree: &Tree, id: NodeId, path: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(path)?;
    for entry in tree.entries(id)? {
        let path = path.join(&entry.name);
        match entry.kind {
            Kind::Directory => write(tree, entry.id, &path)?,
            Kind::Symlink => return Err("the folder has no links".into()),
            Kind::File => {
                let mut file = File::create(path)?;
                let mut buffer = vec![0; 1 << 20];
                let mut offset = 0;
                loop {
                    match tree.read_at(entry.id, offset, &mut buffer)? {
                        0 => break,
                        len => file.write_all(&buffer[..len])?,
                    }
                    offset += buffer.len() as u64;
                }
            }
        }
    }
    Ok(())
}
