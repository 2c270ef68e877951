//! Binds a spec's rules to the tensors of a file.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::expr::{Evaluation, Shaped, input_scale_name, scale_name};
use super::spec::{Rule, Spec, Tell};
use super::{Error, Scope, expr, fused, routing};
use crate::gguf::{Gguf, Tensor};
use crate::quant::Dtype;
use crate::tensor::{TileCache, VirtualTensor};

/// How many unmapped tensors an error names.
pub const NAMED: usize = 5;

/// The folder's tensors, in the order of the virtual files: those of the model, then those of each module's folder; in
/// each by width of the dtype, widest first, then file order.
///
/// # Errors
/// If a tensor that the spec requires is missing, a shape does not fit, or a stored tensor is in no rule.
pub fn bind(spec: &Spec, gguf: &Gguf, precision: Dtype) -> Result<Vec<VirtualTensor>, Error> {
    let scope = Scope::new(gguf, spec.gguf);
    let mut binding = Binding {
        strip: spec.strip,
        precision,
        cache: Arc::default(),
        made: HashMap::new(),
        used: HashSet::new(),
        scales: scales(spec, gguf),
        missing: Vec::new(),
    };
    for rule in spec.tensors.iter().copied().flatten() {
        let first = rule.first.of(&scope)?;
        for nth in 0..count(rule, "{i}", || rule.layers.of(&scope))? {
            let scope = Scope { layer: first.saturating_add(nth), nth, ..scope };
            if !Tell::all(rule.only, &scope)? {
                continue;
            }
            for expert in 0..count(rule, "{e}", || rule.parts.of(&scope))? {
                binding.apply(rule, Scope { expert, ..scope })?;
            }
        }
    }
    binding.finish(gguf)
}

/// The stored tensors named `NAME.scale` that scale `NAME.weight`: those that no rule gives a name of their own.
fn scales(spec: &Spec, gguf: &Gguf) -> HashSet<String> {
    let mut own = Vec::new();
    for rule in spec.tensors.iter().copied().flatten() {
        rule.expr.visit_tensors(&mut |name| own.extend(name.ends_with(".scale").then_some(name)));
    }
    let has_rule = |name: &str| {
        own.iter().any(|pattern| {
            let (start, end) = pattern.split_once("{i}").unwrap_or((pattern, ""));
            name.starts_with(start) && name.ends_with(end)
        })
    };
    let names = gguf.tensors.iter().map(|t| &t.name).filter(|n| n.ends_with(".scale") && !has_rule(n));
    names.cloned().collect()
}

/// How often a rule applies along a placeholder: once if it does not have it.
fn count(rule: &Rule, placeholder: &str, number: impl Fn() -> Result<u64, Error>) -> Result<u64, Error> {
    let mut has = rule.hf.contains(placeholder);
    rule.expr.visit_tensors(&mut |name| has |= name.contains(placeholder));
    // More layers or experts than any file can hold tensors for would only cost time.
    if has { Ok(number()?.min(1 << 20)) } else { Ok(1) }
}

struct Binding {
    strip: &'static str,
    precision: Dtype,
    cache: Arc<TileCache>,
    made: HashMap<String, VirtualTensor>,
    used: HashSet<String>,
    scales: HashSet<String>,
    missing: Vec<(String, String)>,
}

impl Binding {
    fn apply(&mut self, rule: &'static Rule, scope: Scope) -> Result<(), Error> {
        let suffixes: &[&'static str] = if rule.suffixed { &[".weight", ".bias"] } else { &[""] };
        for &suffix in suffixes {
            let hf = rule.name(&scope) + suffix;
            let mut stored = Vec::new();
            rule.expr.visit_tensors(&mut |name| stored.push(scope.name(name) + suffix));
            let absent = stored.iter().find(|name| !scope.has(name));
            if let Some(absent) = absent {
                if rule.required && suffix != ".bias" {
                    self.missing.push((hf, absent.clone()));
                }
                continue;
            }
            if rule.hf.is_empty() {
                self.used.extend(stored);
                continue;
            }
            let hf = hf.strip_prefix(self.strip).unwrap_or(&hf).to_owned();
            if self.made.contains_key(&hf) {
                continue;
            }
            let evaluation = Evaluation { scope, suffix, scales: &self.scales, cache: &self.cache };
            let value = rule.expr.evaluate(&evaluation)?;
            let dtype = if routing::needs_f32(rule, &scope, &stored, self.precision)? {
                Dtype::F32
            } else {
                self.precision
            };
            let tensor = shown(hf.clone(), value, dtype)?;
            // Input scales are for kernels that quantise activations too; the folder's weights are not packed.
            self.used.extend(
                stored.iter().filter_map(|name| scale_name(name)).filter(|s| self.scales.contains(s)),
            );
            self.used.extend(stored.iter().filter_map(|name| input_scale_name(name)));
            self.used.extend(stored);
            self.made.insert(hf, tensor);
        }
        Ok(())
    }

    fn finish(self, gguf: &Gguf) -> Result<Vec<VirtualTensor>, Error> {
        let strip = |name: &str| name.strip_prefix(self.strip).unwrap_or(name).to_owned();
        if let Some((hf, stored)) =
            self.missing.into_iter().find(|(hf, _)| !self.made.contains_key(&strip(hf)))
        {
            return Err(Error::MissingTensor { hf, stored });
        }
        let in_parts =
            |name: &str| fused::parts(name).is_some_and(|mut all| all.all(|n| self.used.contains(&n)));
        let names = gguf.tensors.iter().map(|t| &t.name);
        let unmapped: Vec<_> = names.filter(|n| !self.used.contains(*n) && !in_parts(n)).collect();
        if !unmapped.is_empty() {
            let names = unmapped.iter().take(NAMED).map(|n| (*n).clone()).collect();
            return Err(Error::UnmappedTensors { count: unmapped.len(), names });
        }
        Ok(in_file_order(self.made.into_values().collect(), gguf))
    }
}

/// A tensor as the folder shows it: floats as `precision`, integers as they are.
///
/// # Errors
/// If a size overflows.
pub fn shown(name: String, value: Shaped, precision: Dtype) -> Result<VirtualTensor, Error> {
    let integer = value.matrix.first_format().and_then(|f| f.dtype).filter(|d| !d.is_float());
    VirtualTensor::new(name.clone(), value.shape, integer.unwrap_or(precision), value.matrix)
        .ok_or(Error::Shape { what: name })
}

fn in_file_order(mut tensors: Vec<VirtualTensor>, gguf: &Gguf) -> Vec<VirtualTensor> {
    tensors.sort_by_cached_key(|t| {
        let place = t
            .first_stored()
            .map(|(source, offset)| (gguf.sources.iter().position(|s| Arc::ptr_eq(s, source)), offset));
        let folder = t.name.split_once('/').map(|(folder, _)| folder.to_owned());
        (folder, Reverse(t.dtype.width()), place, t.name.clone())
    });
    tensors
}

/// Every stored tensor under its own name and in its own shape, for a file whose architecture is not known.
///
/// # Errors
/// If a size overflows.
pub fn bind_as_stored(gguf: &Gguf, precision: Dtype) -> Result<Vec<VirtualTensor>, Error> {
    let scope = Scope::new(gguf, "");
    // A `/` would be a folder's.
    let tensor = |t: &Tensor| shown(t.name.replace('/', "."), expr::stored(scope, t), precision);
    Ok(in_file_order(gguf.tensors.iter().map(tensor).collect::<Result<_, _>>()?, gguf))
}
