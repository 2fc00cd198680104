//! A promotion needs the approval of somebody other than the one who asks for it.

mod rules;

example_common::policy!(rules);
