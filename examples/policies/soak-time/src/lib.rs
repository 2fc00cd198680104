//! A candidate must have existed for some time before it may become champion.

mod rules;

example_common::policy!(rules);
