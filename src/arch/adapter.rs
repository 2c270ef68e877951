//! Binds a spec's rules to the factors of a low-rank adapter: a stored weight `W` has `W.lora_a` (rank, columns) and
//! `W.lora_b` (rows, rank), and what a rule does to rows it does to the one, what it does to columns to the other.
//!
//! An adapter holds no key and no other tensor of its base. Rules that ask for any need the base's own GGUF.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bind::{NAMED, shown};
use super::expr::{Evaluation, Expr, Shaped, stored};
use super::spec::{Rule, Spec, Tell};
use super::{Error, Scope};
use crate::gguf::Gguf;
use crate::quant::Dtype;
use crate::tensor::{TileCache, VirtualTensor};

/// A module of the base that the adapter changes, or replaces whole.
pub struct Module {
    /// Hugging Face name of the module, without `.weight`.
    pub name: String,
    /// Rank of the factors; `None` for a whole tensor.
    pub rank: Option<u64>,
}

/// The adapter's tensors in PEFT's names, and the modules that they belong to.
///
/// # Errors
/// If a rule needs the base and there is none, a shape does not fit, or a stored tensor is in no rule.
pub fn bind_adapter(
    spec: &'static Spec,
    adapter: &Gguf,
    base: Option<&Gguf>,
    precision: Dtype,
) -> Result<(Vec<VirtualTensor>, Vec<Module>), Error> {
    let mut binding = Binding {
        spec,
        adapter,
        base,
        precision,
        cache: Arc::default(),
        made: HashSet::new(),
        used: HashSet::new(),
        tensors: Vec::new(),
        modules: Vec::new(),
    };
    for rule in spec.tensors.iter().copied().flatten() {
        binding.layers(rule)?;
    }
    let left: Vec<_> =
        adapter.tensors.iter().map(|t| &t.name).filter(|n| !binding.used.contains(*n)).collect();
    if left.is_empty() {
        return Ok((binding.tensors, binding.modules));
    }
    match base {
        None => Err(Error::NeedsBase { what: format!("where {:?} belongs", left[0]) }),
        Some(_) => {
            let names = left.iter().take(NAMED).map(|n| (*n).clone()).collect();
            Err(Error::UnmappedTensors { count: left.len(), names })
        }
    }
}

struct Binding<'a> {
    spec: &'static Spec,
    adapter: &'a Gguf,
    base: Option<&'a Gguf>,
    precision: Dtype,
    cache: Arc<TileCache>,
    made: HashSet<String>,
    used: HashSet<String>,
    tensors: Vec<VirtualTensor>,
    modules: Vec<Module>,
}

impl Binding<'_> {
    /// Applies a rule to every layer and expert that the adapter has tensors for.
    fn layers(&mut self, rule: &'static Rule) -> Result<(), Error> {
        let mut patterns = Vec::new();
        rule.expr.visit_tensors(&mut |name| patterns.push(name));
        let places = self.places(&patterns);
        for (layer, experts) in places {
            for expert in 0..experts {
                let first = match self.base {
                    Some(base) => rule.first.of(&Scope::new(base, self.spec.gguf))?,
                    None => 0,
                };
                let file = self.base.unwrap_or(self.adapter);
                let nth = layer.saturating_sub(first);
                let scope = Scope { layer, nth, expert, ..Scope::new(file, self.spec.gguf) };
                self.apply(rule, scope, layer >= first)?;
            }
        }
        Ok(())
    }

    /// Layers at which the adapter has a tensor of one of the patterns, with the number of its parts.
    fn places(&self, patterns: &[&str]) -> Vec<(u64, u64)> {
        let mut places = HashMap::new();
        for pattern in patterns {
            let (start, end) = pattern.split_once("{i}").unwrap_or((pattern, ""));
            for tensor in &self.adapter.tensors {
                let Some(rest) = tensor.name.strip_prefix(start) else { continue };
                let layer = match pattern.contains("{i}") {
                    false => 0,
                    true => {
                        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                        match (rest[..digits].parse(), rest[digits..].starts_with(end)) {
                            (Ok(layer), true) => layer,
                            _ => continue,
                        }
                    }
                };
                let parts = tensor.dims.get(2).copied().unwrap_or(1).min(1 << 16);
                let most = places.entry(layer).or_insert(1);
                *most = parts.max(*most);
            }
        }
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_unstable();
        places
    }

    fn apply(&mut self, rule: &'static Rule, scope: Scope, counts: bool) -> Result<(), Error> {
        let suffixes: &[&'static str] = if rule.suffixed { &[".weight", ".bias"] } else { &[""] };
        for &suffix in suffixes {
            let mut names = Vec::new();
            rule.expr.visit_tensors(&mut |name| names.push(scope.name(name) + suffix));
            let low_rank = |n: &String| self.adapter.tensor(&format!("{n}.lora_a")).is_some();
            let whole = |n: &String| self.adapter.tensor(n).is_some();
            let is_factors = names.iter().all(low_rank);
            if names.is_empty() || !(is_factors || names.iter().all(whole)) || rule.hf.is_empty() {
                continue;
            }
            if !rule.only.is_empty() && self.base.is_none() {
                return Err(Error::NeedsBase { what: format!("what kind of layer {:?} is in", names[0]) });
            }
            let name = rule.name(&scope) + suffix;
            let name = name.strip_prefix(self.spec.strip).unwrap_or(&name).to_owned();
            if !counts || !Tell::all(rule.only, &scope)? || !self.made.insert(name.clone()) {
                continue;
            }
            let tensors = Scope::new(self.adapter, self.spec.gguf);
            let scales = HashSet::new();
            let at = Evaluation { scope, suffix, scales: &scales, cache: &self.cache };
            let needs_base = |error| match error {
                Error::MissingKey { key } if self.base.is_none() => {
                    Error::NeedsBase { what: format!("{key:?}") }
                }
                Error::NoSuchTensor { name } if self.base.is_none() => {
                    Error::NeedsBase { what: format!("the shape of {name:?}") }
                }
                other => other,
            };
            if is_factors {
                let (a, b) = factors(&rule.expr, &at, &tensors).map_err(needs_base)?;
                self.used.extend(names.iter().flat_map(|n| [format!("{n}.lora_a"), format!("{n}.lora_b")]));
                self.add_factors(&name, names[0] == "token_embd.weight", a, b)?;
            } else {
                let value =
                    rule.expr.evaluate(&Evaluation { scope: Scope { gguf: self.adapter, ..scope }, ..at });
                let value = value.map_err(needs_base)?;
                self.used.extend(names);
                self.modules.push(Module { name: name.trim_end_matches(".weight").to_owned(), rank: None });
                self.add(format!("base_model.model.{name}"), value)?;
            }
        }
        Ok(())
    }

    fn add_factors(&mut self, name: &str, embeds: bool, a: Shaped, b: Shaped) -> Result<(), Error> {
        let module = name.strip_suffix(".weight").unwrap_or(name).to_owned();
        let rank = b.shape.last().copied().unwrap_or(0);
        let path = format!("base_model.model.{module}");
        if embeds {
            // An embedding looks columns up, so the converter stores its first factor the other way round.
            let at = &self.cache;
            let a = Shaped { shape: a.shape.iter().rev().copied().collect(), matrix: a.matrix.transpose(at) };
            self.add(format!("{path}.lora_embedding_A"), a)?;
            self.add(format!("{path}.lora_embedding_B"), b)?;
        } else {
            self.add(format!("{path}.lora_A.weight"), a)?;
            self.add(format!("{path}.lora_B.weight"), b)?;
        }
        self.modules.push(Module { name: module, rank: Some(rank) });
        Ok(())
    }

    fn add(&mut self, name: String, value: Shaped) -> Result<(), Error> {
        self.tensors.push(shown(name, value, self.precision)?);
        Ok(())
    }
}

/// The factors of the formula's value.
///
/// # Errors
/// If the formula joins several stored weights, each with factors of its own, or changes single elements.
fn factors(expr: &'static Expr, at: &Evaluation, tensors: &Scope) -> Result<(Shaped, Shaped), Error> {
    let unsupported = |what| Error::Unsupported { what: format!("an adapter of a weight that {what}") };
    if let Expr::Tensor(name) = expr {
        let factor = |side: &str| -> Result<Shaped, Error> {
            let name = at.scope.name(name) + at.suffix + side;
            let tensor = tensors.tensor(&name).ok_or(Error::NoSuchTensor { name })?;
            Ok(stored(*tensors, tensor))
        };
        return Ok((factor(".lora_a")?, factor(".lora_b")?));
    }
    let mut names = HashSet::new();
    expr.visit_tensors(&mut |name| {
        names.insert(name);
    });
    if names.len() != 1 {
        return Err(unsupported("is stored in parts"));
    }
    let (mut a, b): (Vec<_>, Vec<_>) = expr
        .operands()
        .iter()
        .map(|of| factors(of, at, tensors))
        .collect::<Result<Vec<_>, Error>>()?
        .into_iter()
        .unzip();
    match expr {
        Expr::Rope(..)
        | Expr::EvenOdd(..)
        | Expr::Rows(..)
        | Expr::Permute(..)
        | Expr::Concat(_)
        | Expr::Interleave(_)
        | Expr::InterleaveRuns(..) => Ok((a.swap_remove(0), expr.apply(b, at)?)),
        Expr::PermuteColumns(..) => {
            let b = b.into_iter().next().ok_or_else(|| unsupported("has no parts"))?;
            Ok((expr.apply(a, at)?, b))
        }
        Expr::Expert(_) => Ok((expr.apply(a, at)?, expr.apply(b, at)?)),
        // Files exist in which either factor is the first (atlas 7).
        Expr::Transpose(_) => Err(unsupported("is stored with rows and columns exchanged")),
        _ => Err(unsupported("is stored as a function of the original's")),
    }
}
