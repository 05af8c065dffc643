//! The rules, a file for each theme.

mod form;
mod keys;
mod place;
mod refused;
mod syntax;

use crate::Rule;

/// All rules. What they find at one place is told in this order.
pub static RULES: &[&Rule] = &[
    &syntax::UNREADABLE,
    &syntax::YAML,
    &syntax::SYNTAX,
    &syntax::DUPLICATE_KEY,
    &form::NOT_AN_OBJECT,
    &form::NOT_A_STRING,
    &form::LIST_IN_CONF,
    &form::PLUGIN_IN_CONFLIST,
    &form::MISSING_KEY,
    &form::ILLEGAL_NAME,
    &form::UNKNOWN_VERSION,
    &keys::WRONG_TYPE,
    &keys::INVALID_VALUE,
    &keys::UNKNOWN_KEY,
    &keys::KEY_CASE,
    &refused::REFUSED,
];

#[cfg(test)]
mod tests;
