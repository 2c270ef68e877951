//! Writes a model's folder to disk.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rawrz::export::{self, Error, Progress, Step};

use super::Failure;
use super::folder::Folder;
use super::print::line;
use super::size::human;
use crate::cli::Export;

/// Writes the folder, with a bar on a terminal.
///
/// # Errors
/// If the model cannot be shown, or its folder not written.
pub fn run(args: &Export) -> Result<(), Failure> {
    let folder = Folder::open(&args.source, &args.view)?;
    let verify = !args.no_verify;
    let passes = if verify { 2 } else { 1 };
    let bar = ProgressBar::new(folder.tree.total_len() * passes).with_style(style());
    let mut progress = |p: Progress<'_>| {
        let (doing, passes) = match p.step {
            Step::Compare => ("comparing", passes), // neither written nor verified then
            Step::Write => ("writing", 1),
            Step::Verify => ("verifying", 1),
        };
        bar.set_message(format!("{doing} {}", p.path.display()));
        bar.inc(p.len * passes);
    };
    let done = export::export(&folder.tree, &args.directory, verify, &mut progress);
    bar.finish_and_clear();
    let done = done.map_err(|error| refused(error, &args.directory))?;
    let verified = if verify { ", read again and found right" } else { "" };
    line(format_args!(
        "{}\n  {}\n  {} written ({}){verified}; {} there already",
        args.directory.display(),
        folder.what(),
        files(done.written),
        human(done.len),
        files(done.kept),
    ));
    Ok(())
}

/// The failure with what to do about it.
fn refused(error: Error, directory: &Path) -> Failure {
    let remedy = match &error {
        Error::Differs { .. } => {
            Some("give an empty directory, or remove the file to have it written again".to_owned())
        }
        Error::Foreign { .. } => {
            Some("give an empty directory, or the one of an export that was cut short".to_owned())
        }
        Error::Full { .. } => {
            Some("free some room, or give a directory elsewhere; --precision decides the size".to_owned())
        }
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Some(format!("{} is unfinished; the same command goes on with it", directory.display()))
        }
        Error::Unsound { .. } => {
            Some("the same command writes it again from there; suspect the disk".to_owned())
        }
        Error::Busy { .. } | Error::Io { .. } | Error::Link { .. } | Error::Source { .. } => None,
    };
    let failure = Failure::output(&error);
    match remedy {
        Some(remedy) => failure.or(remedy),
        None => failure,
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{bytes:>11} of {total_bytes} {wide_bar} {bytes_per_sec:>12} {eta:>4}  {msg}",
    )
    .expect("the template is one")
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
