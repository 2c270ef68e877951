//! Evaluates the fields of config.json.

use serde_json::{Map, Value as Json};

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
    for field in spec.config.iter().copied().flatten() {
        match evaluate(field, scope)? {
            Some(value) => config.insert(field.name.into(), value),
            None => config.shift_remove(field.name),
        };
    }
    Ok(config)
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
        Value::Number(key, default) => scope.f64(key)?.or(default).ok_or_else(|| missing(key))?.into(),
        Value::Flag(key, default) => scope.metadata().bool(&scope.key(key))?.unwrap_or(default).into(),
        Value::Present(name) => scope.tensor(name).is_some().into(),
        Value::Absent(name) => scope.tensor(name).is_none().into(),
        Value::Derived(derive) => return derive(scope),
    }))
}
