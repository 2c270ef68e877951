//! Where events go: standard error in the foreground, a file in the background.

use std::env;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use etcetera::BaseStrategy;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// Events to standard error; `verbose` counts steps above warnings.
///
/// # Errors
/// If `RAWRZ_LOG` is no filter.
pub fn to_stderr(verbose: u8) -> Result<(), Failure> {
    let ansi = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter(verbose)?);
    log.with_writer(io::stderr).with_ansi(ansi).init();
    Ok(())
}

/// Events to a file, panics among them. The file is made when there is something to write: a mount that has nothing to
/// say writes nothing.
///
/// # Errors
/// If `RAWRZ_LOG` is no filter.
pub fn to_file(path: PathBuf, verbose: u8) -> Result<(), Failure> {
    let file = Arc::new(LazyFile { path, file: Mutex::new(None) });
    let log = tracing_subscriber::fmt().with_env_filter(filter(verbose)?);
    log.with_writer(file).with_ansi(false).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// The log file of a mount: `rawrz/NAME.log` in the user's state directory.
pub fn path(name: &str) -> Option<PathBuf> {
    let dirs = etcetera::choose_base_strategy().ok()?;
    let dir = dirs.state_dir().unwrap_or_else(|| dirs.cache_dir()); // Windows has no state directory
    let name = name.replace(|c: char| c.is_control() || "/\\:".contains(c), "_");
    Some(dir.join("rawrz").join(format!("{name}.log")))
}

fn filter(verbose: u8) -> Result<EnvFilter, Failure> {
    match env::var("RAWRZ_LOG") {
        Ok(filter) => EnvFilter::try_new(filter)
            .map_err(|error| Failure::usage(format!("RAWRZ_LOG is no log filter: {error}"))),
        Err(_) => Ok(EnvFilter::new(["warn", "info", "debug", "trace"][usize::from(verbose.min(3))])),
    }
}

struct LazyFile {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Write for &LazyFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            *file = Some(File::options().create(true).append(true).open(&self.path)?);
        }
        file.as_mut().expect("opened above").write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // a File holds nothing back
    }
}
