//! What each command does. Errors go to the user through [`Failure`].

mod daemon;
#[cfg_attr(windows, path = "door_windows.rs")]
#[cfg_attr(not(windows), path = "door_unix.rs")]
mod door;
mod folder;
mod list;
mod log;
mod mount;
mod print;
mod report;
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
        (Some(Command::List(args)), _) => {
            list::run(args);
            Ok(())
        }
        (Some(Command::Unmount(args)), _) => unmount::run(args),
        (Some(Command::Watchdog { arguments }), _) => Ok(door::watch(arguments)?),
        (None, Some(places)) => mount::run(places, &cli.mount),
        (None, None) => unreachable!("clap asks for SOURCE and MOUNTPOINT where there is no command"),
    }
}
