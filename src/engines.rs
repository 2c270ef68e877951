//! Which engines are known to load a class.
//!
//! Data that `tests/engines/known` writes: what the engines' own registries have, and what `tests/engines/run` has proved. A class that no
//! engine is known for may load all the same, with code that its makers keep beside the model.

use std::fmt;

/// A column an engine, headed by its name and version; a row a class; cells `run`, `lists` or nothing.
const TABLE: &str = include_str!("arch/engines.tsv");

/// An engine that is known to load a class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// The version that this is known of.
    pub version: &'static str,
    /// How it is known.
    pub evidence: Evidence,
}

/// How it is known that an engine loads a class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// A test ran it: it made of a mount what it makes of the original folder.
    Run,
    /// Its registry lists the class.
    Lists,
}

impl Evidence {
    /// The word for it in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Lists => "lists",
        }
    }

    fn of(cell: &str) -> Option<Self> {
        [Self::Run, Self::Lists].into_iter().find(|evidence| evidence.name() == cell)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The engines that are known to load a Hugging Face class.
pub fn known(class: &str) -> Vec<Engine> {
    let row = rows().find(|(name, _)| *name == class);
    let cells = row.into_iter().flat_map(|(_, cells)| cells);
    let engine =
        |((name, version), cell)| Evidence::of(cell).map(|evidence| Engine { name, version, evidence });
    engines().zip(cells).filter_map(engine).collect()
}

/// Name and version of every engine in the table.
pub fn engines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let heading = TABLE.lines().next().unwrap_or_default();
    heading.split('\t').skip(1).map(|cell| cell.rsplit_once(' ').unwrap_or((cell, "")))
}

/// The classes of the table, each with a cell an engine.
pub fn rows() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    TABLE.lines().skip(1).map(|line| {
        let mut cells = line.split('\t');
        (cells.next().unwrap_or_default(), cells)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::arch;

    #[test]
    fn every_row_is_a_class_with_a_cell_for_each_engine() {
        let classes: BTreeSet<_> = arch::ALL.iter().map(|spec| spec.class).collect();
        let mut before = "";
        for (class, cells) in rows() {
            assert!(classes.contains(class), "{class} is not shown; run tests/engines/known");
            assert!(before < class, "{class} is not in order");
            before = class;
            let cells: Vec<_> = cells.collect();
            assert_eq!(cells.len(), engines().count(), "{class}");
            let known = |cell: &&str| cell.is_empty() || Evidence::of(cell).is_some();
            assert!(cells.iter().all(known), "{class}: {cells:?}");
        }
        assert!(!before.is_empty());
        for (name, version) in engines() {
            assert!(
                !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()),
                "{name} {version}"
            );
        }
    }

    #[test]
    fn a_class_has_its_row_and_another_has_none() {
        let known = known("LlamaForCausalLM");
        let transformers =
            known.iter().find(|engine| engine.name == "transformers").expect("the table has it");
        assert_eq!(transformers.evidence, Evidence::Run);
        assert_eq!(super::known("NoSuchClass"), []);
    }
}
