use std::collections::HashMap;

use super::{Array, Error, Strings, Value};

/// One metadata key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Byte offset of the entry in its file.
    pub at: u64,
    /// The value.
    pub value: Value,
}

/// All metadata of a file, in file order.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Metadata {
    /// Adds an entry.
    ///
    /// # Errors
    /// Malformed if the key is there already.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Error> {
        if self.index.insert(entry.key.clone(), self.entries.len()).is_some() {
            return Err(Error::malformed(entry.at, format!("key {:?} occurs twice", entry.key)));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// All entries in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).map(|&i| &self.entries[i])
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|e| &e.value)
    }

    /// The value of a key as an unsigned number; `None` if the key is absent.
    ///
    /// # Errors
    /// Malformed if the value is of another type. The same holds for the methods below.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, Error> {
        self.typed(key, "an unsigned number", Value::as_u64)
    }

    /// The value of a key as a floating-point number.
    ///
    /// # Errors
    /// Malformed if the value is of another type.
    pub fn f64(&self, key: &str) -> Result<Option<f64>, Error> {
        self.typed(key, "a floating-point number", Value::as_f64)
    }

    /// The value of a key as a truth value.
    ///
    /// # Errors
    /// Malformed if the value is of another type.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(key, "a truth value", Value::as_bool)
    }

    /// The value of a key as text.
    ///
    /// # Errors
    /// Malformed if the value is of another type or not UTF-8.
    pub fn str(&self, key: &str) -> Result<Option<&str>, Error> {
        self.typed(key, "a string of UTF-8", Value::as_str)
    }

    /// The value of a key as an array.
    ///
    /// # Errors
    /// Malformed if the value is of another type.
    pub fn array(&self, key: &str) -> Result<Option<&Array>, Error> {
        self.typed(key, "an array", Value::as_array)
    }

    /// The value of a key as an array of strings.
    ///
    /// # Errors
    /// Malformed if the value is of another type.
    pub fn strings(&self, key: &str) -> Result<Option<&Strings>, Error> {
        self.typed(key, "an array of strings", |v| match v {
            Value::Array(Array::String(v)) => Some(v),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        match convert(&entry.value) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::malformed(entry.at, format!("key {key:?} is not {wanted}"))),
        }
    }
}
