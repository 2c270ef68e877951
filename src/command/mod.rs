//! What each command does. Errors go to the user through [`Failure`].

mod architectures;
mod daemon;
#[cfg_attr(windows, path = "door_windows.rs")]
#[cfg_attr(not(windows), path = "door_unix.rs")]
mod door;
mod export;
mod folder;
mod inspect;
mod list;
mod log;
mod mount;
mod ollama;
mod print;
mod report;
mod request;
mod sample;
mod size;
mod state;
mod summary;
mod unmount;

pub use report::Failure;
pub use size::shards;

use crate::cli::{Cli, Command};

/// Does what the command line asks for.
///
/// # Errors
/// [`Failure`] tells the user why not.
pub fn run(cli: &Cli) -> Result<(), Failure> {
    match (&cli.command, &cli.places) {
        (Some(command), _) => match command {
            Command::Architectures(args) => architectures::run(args),
            Command::Export(args) => export::run(args)?,
            Command::Inspect(args) => inspect::run(args)?,
            Command::List(args) => list::run(args),
            Command::Sample(args) => sample::run(args)?,
            Command::Unmount(args) => unmount::run(args)?,
            Command::Watchdog { arguments } => door::watch(arguments)?,
        },
        (None, Some(places)) => mount::run(places, &cli.mount)?,
        (None, None) => unreachable!("clap asks for SOURCE and MOUNTPOINT where there is no command"),
    }
    Ok(())
}
