//! A candidate must be superior by the bound of a paired interval, and not inferior on other metrics and in segments.

mod rules;

example_common::policy!(rules);
