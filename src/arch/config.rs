//! Evaluates the fields of config.json.

use serde_json::{Map, Value as Json};

use super::dim::Dim;
use super::spec::{Field, Value};
use super::{Error, Scope, Spec};

/// The fields of config.json that the spec gives.
///
/// # Errors
/// If a key is absent that has no default, or a value is of another type.
pub fn config(spec: &Spec, scope: &Scope) -> Result<Map<String, Json>, Error> {
    let mut config = Map::new();
    config.insert("architectures".into(), vec![spec.class].into());
    config.insert("model_type".into(), spec.model_type.into());
    add(&mut config, spec.config, scope)?;
    Ok(config)
}

/// Adds the fields of groups that it has not.
///
/// # Errors
/// If a key is absent that has no default, or a value is of another type.
fn add(config: &mut Map<String, Json>, groups: &[&[Field]], scope: &Scope) -> Result<(), Error> {
    let fields: Vec<&Field> = groups.iter().copied().flatten().collect();
    for (i, field) in fields.iter().enumerate() {
        // The last of a name counts, at the place of the first.
        let last = fields[i..].iter().rfind(|f| f.name == field.name).unwrap_or(field);
        if !config.contains_key(field.name)
            && let Some(value) = evaluate(last, scope)?
        {
            config.insert(field.name.into(), value);
        }
    }
    Ok(())
}

fn evaluate(field: &Field, scope: &Scope) -> Result<Option<Json>, Error> {
    let missing = |key: &str| Error::MissingKey { key: scope.key(key) };
    Ok(Some(match field.value {
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Float(value) => value.into(),
        Value::Str(value) => value.into(),
        Value::Null => Json::Null,
        Value::Dim(dim) => dim.of(scope)?.into(),
        Value::PerLayer(dim) => Json::Array(scope.each_layer(|layer| Ok(dim.of(layer)?.into()))?),
        Value::Ratio(a, b) => {
            let (a, b) = (a.of(scope)?, b.of(scope)?);
            let ratio = (b != 0).then(|| a as f64 / b as f64);
            ratio.ok_or_else(|| Error::Arithmetic { what: format!("{:?}", field.name) })?.into()
        }
        Value::LayerTypes(period) => Json::Array(layer_types(scope, period)?),
        Value::Number(key, default) => scope.f64(key)?.or(default).ok_or_else(|| missing(key))?.into(),
        Value::Optional(key) => scope.f64(key)?.map_or(Json::Null, Json::from),
        Value::OptionalDim(key) => scope.u64(key)?.filter(|&n| n > 0).map_or(Json::Null, Json::from),
        Value::Flag(key, default) => scope.metadata().bool(&scope.key(key))?.unwrap_or(default).into(),
        Value::Present(name) => scope.has(name).into(),
        Value::Absent(name) => (!scope.has(name)).into(),
        Value::Fields(groups) => {
            let mut fields = Map::new();
            add(&mut fields, groups, scope)?;
            Json::Object(fields)
        }
        Value::Derived(derive) => return derive(scope),
    }))
}

/// Which layers attend within a window: see [`Value::LayerTypes`].
///
/// # Errors
/// If a key is of another type.
pub fn sliding_layers(scope: &Scope, period: u64) -> Result<Vec<bool>, Error> {
    let key = scope.key("attention.sliding_window_pattern");
    let pattern = scope.metadata().value(&key);
    if pattern.is_none() && scope.u64("attention.sliding_window")?.unwrap_or(0) == 0 {
        return scope.each_layer(|_| Ok(false));
    }
    if let Some(array) = pattern.and_then(|v| v.as_array()) {
        let layers = |layer: &Scope| usize::try_from(layer.layer).ok().and_then(|i| array.get(i)?.as_bool());
        return scope
            .each_layer(|s| layers(s).ok_or_else(|| Error::Layers { key: key.clone(), layer: s.layer }));
    }
    let period = scope.u64("attention.sliding_window_pattern")?.unwrap_or(period);
    scope.each_layer(|s| Ok(!(s.layer + 1).is_multiple_of(period)))
}

/// A number of the first layer with a window, or without; where there is no such layer, of the first of all.
///
/// # Errors
/// If a key is absent or of another type.
pub fn of_kind(scope: &Scope, windowed: bool, number: Dim) -> Result<Option<Json>, Error> {
    let layer = sliding_layers(scope, 1)?.iter().position(|&sliding| sliding == windowed).unwrap_or(0);
    Ok(Some(number.of(&scope.at(layer as u64))?.into()))
}

fn layer_types(scope: &Scope, period: u64) -> Result<Vec<Json>, Error> {
    Ok(sliding_layers(scope, period)?.into_iter().map(|sliding| layer_type(sliding).into()).collect())
}

/// What transformers calls a layer with a window, and one without.
pub fn layer_type(sliding: bool) -> &'static str {
    if sliding { "sliding_attention" } else { "full_attention" }
}
