//! Vectors that grow to many MiB, boxes of a tree, and what allocation beyond all limits answers.

struct Node {
    value: u64,
    children: Option<(Box<Node>, Box<Node>)>,
}

fn tree(depth: u32, value: u64) -> Box<Node> {
    let children = (depth > 0).then(|| (tree(depth - 1, value * 2), tree(depth - 1, value * 2 + 1)));
    Box::new(Node { value, children })
}

fn sum(node: &Node) -> u64 {
    let below = node.children.as_ref().map_or(0, |(left, right)| sum(left) ^ sum(right).rotate_left(1));
    node.value.wrapping_add(below)
}

fn main() {
    println!("{:x}", sum(&tree(17, 1)));
    let mut bytes = Vec::new();
    for i in 0..60_u32 << 20 {
        bytes.push((i.wrapping_mul(2_654_435_761) >> 24) as u8);
    }
    println!("{} {}", bytes.len(), bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    let mut huge: Vec<u8> = Vec::new();
    println!("{}", huge.try_reserve_exact(usize::MAX).is_err());
}
