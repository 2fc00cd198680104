//! No promotion during given times of the week or on given dates.

mod rules;

example_common::policy!(rules);
