//! Checks that the children of a tree form a tree.

use super::forest::Tree;

/// Working memory of the check, reused from tree to tree.
#[derive(Default)]
pub(super) struct Shape {
    reached: Vec<bool>,
    queue: Vec<(u32, u32)>,
}

impl Shape {
    /// Walks from the root; returns the depth of the deepest leaf, or a description of the damage.
    ///
    /// LightGBM numbers children after their parents, but other writers may not. The walk does not rely on it.
    pub fn check(&mut self, tree: Tree<'_>) -> Result<usize, String> {
        let (nodes, leaves) = (tree.num_nodes(), tree.num_leaves());
        if nodes == 0 {
            return Ok(0);
        }
        self.reached.clear();
        self.reached.resize(nodes + leaves, false);
        self.queue.clear();
        self.queue.push((0, 0));
        let mut deepest = 0;
        let mut count = 1;
        while let Some((node, depth)) = self.queue.pop() {
            for children in [tree.left_child(), tree.right_child()] {
                let child = children[node as usize];
                let (place, name) = match usize::try_from(child) {
                    Ok(child) => (child, "node"),
                    Err(_) => (nodes + !child as usize, "leaf"),
                };
                if std::mem::replace(&mut self.reached[place], true) {
                    let number = if child < 0 { !child } else { child };
                    return Err(format!("{name} {number} has two parents"));
                }
                count += 1;
                if child < 0 {
                    deepest = deepest.max(depth + 1);
                } else {
                    self.queue.push((child as u32, depth + 1));
                }
            }
        }
        if count == nodes + leaves {
            Ok(deepest as usize)
        } else {
            Err(format!("only {count} of {} nodes and leaves are reachable from the root", nodes + leaves))
        }
    }
}
