//! How many files and connections the operating system lets a process have open.

/// How many open files are kept for other things than connections: the registry, models, and what is beyond the limits.
const KEPT: usize = 128;

/// The most connections of `wanted` for which there are enough open files. Without them, the server could accept no probe, and ask for
/// no alias.
pub(crate) fn connections_for(wanted: usize, spare: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(files) = soft_limit(&limits) else { return wanted };
    let most = files.saturating_sub(KEPT).saturating_sub(spare).max(1);
    if most < wanted {
        tracing::warn!(files, wanted, connections = most, "the limit of open files allows fewer connections");
    }
    wanted.min(most)
}

/// The limit of open files in `/proc/self/limits`; none if there is none.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_if_there_is_one() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\nMax open files            {soft}                 524288               files\n"
            )
        };
        assert_eq!(soft_limit(&limits("1024")), Some(1024));
        assert_eq!(soft_limit(&limits("unlimited")), None);
        assert_eq!(soft_limit(""), None);
        assert!(connections_for(1, 64) == 1);
    }
}
