//! The live mounts.

use super::print::{Column, columns, line};
use super::size::human;
use super::state::{self, Entry};
use crate::cli::List;

/// Prints the live mounts of this user.
pub fn run(args: &List) {
    let entries = state::live();
    if args.json {
        line(serde_json::to_string_pretty(&entries).expect("entries were read from JSON"));
    } else if entries.is_empty() {
        eprintln!("no live mounts");
    } else {
        let headings = [
            Column::Left("NAME"),
            Column::Left("SOURCE"),
            Column::Left("MOUNTPOINT"),
            Column::Right("SIZE"),
            Column::Right("PID"),
        ];
        line(columns(headings, entries.iter().map(row)));
    }
}

fn row(entry: &Entry) -> [String; 5] {
    let mountpoint = entry.mountpoint.display();
    let place = if entry.is_mounted() {
        mountpoint.to_string()
    } else {
        format!("{mountpoint} (unmounted, files are open)")
    };
    [entry.name.clone(), entry.source.display().to_string(), place, human(entry.bytes), entry.pid.to_string()]
}
