//! A candidate must beat the champion on one metric by a margin, and not fall behind on others.

mod rules;

example_common::policy!(rules);
