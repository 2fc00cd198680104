//! A promotion takes two steps: first challenger, then champion.

mod rules;

example_common::policy!(rules);
