//! Promotions are limited in number, and to working hours.

mod rules;

example_common::policy!(rules);
