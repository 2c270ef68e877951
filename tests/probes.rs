//! A test that cannot run says so, and is a failure where everything is required.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::env;
use std::process::{Command, Output};

use support::probe::require;

const CHILD: &str = "RAWRZ_TEST_PROBE_CHILD";

/// Not a test by itself: the child of the next one.
#[test]
fn without_its_need() {
    if env::var_os(CHILD).is_some() {
        assert_eq!(require("without_its_need", "a thing", Some(7)), Some(7));
        assert_eq!(require::<u8>("without_its_need", "a thing that no machine has", None), None);
    }
}

/// Runs [`without_its_need`] as the harness runs any test, with its output captured.
fn child(required: Option<&str>) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "without_its_need"]).env(CHILD, "1").env_remove("RAWRZ_TEST_REQUIRE");
    command.envs(required.map(|value| ("RAWRZ_TEST_REQUIRE", value)));
    command.output().unwrap()
}

#[test]
fn a_need_not_met_is_a_visible_skip() {
    let output = child(None);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "SKIPPED without_its_need: needs a thing that no machine has\n");
}

#[test]
fn a_need_not_met_fails_where_all_is_required() {
    let output = child(Some("all"));
    assert!(!output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("without_its_need needs a thing that no machine has"), "{said}");
}
