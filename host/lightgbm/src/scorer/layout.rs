//! A tree's nodes and leaves in breadth-first order.

use crate::text::Tree;

/// An entry of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// The internal node of this number; its children are at `left` and `left + 1`.
    Node { node: u32, left: u32 },
    /// The leaf of this number.
    Leaf(u32),
}

/// The nodes and leaves of a tree, level by level: the children of the k-th internal node are at 2k + 1 and 2k + 2.
pub(super) fn breadth_first(tree: Tree<'_>) -> Vec<Item> {
    let item = |child: i32| match u32::try_from(child) {
        Ok(node) => Item::Node { node, left: 0 },
        Err(_) => Item::Leaf(!child as u32),
    };
    let mut items = Vec::with_capacity(2 * tree.num_leaves() - 1);
    items.push(if tree.num_leaves() == 1 { Item::Leaf(0) } else { item(0) });
    let mut next = 0;
    while next < items.len() {
        let end = items.len();
        if let Item::Node { node, left } = &mut items[next] {
            *left = end as u32;
            let children = [tree.left_child()[*node as usize], tree.right_child()[*node as usize]];
            items.extend(children.map(item));
        }
        next += 1;
    }
    items
}
