//! A promotion needs the approval of a person other than the requester.

mod rules;

example_common::policy!(rules);
