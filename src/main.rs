//! The command `rawrz-mount`: reads the command line, has the command done, reports what went wrong.

mod cli;
mod command;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Failure;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // What cannot be written to a closed terminal is lost, the exit code is not.
            let _ = error.print();
            return if error.use_stderr() { Failure::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match command::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code().into()
        }
    }
}
