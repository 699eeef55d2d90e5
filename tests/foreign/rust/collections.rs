//! The collections of std: HashMap and HashSet by their sorted content, the others as they are.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

fn main() {
    let mut seed = 17_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u32 % 5_000
    };
    let (mut map, mut set, mut tree) = (HashMap::new(), HashSet::new(), BTreeMap::new());
    let (mut heap, mut queue, mut list) = (BinaryHeap::new(), VecDeque::new(), LinkedList::new());
    for i in 0..100_000_u32 {
        let value = next();
        *map.entry(value).or_insert(0_u64) += u64::from(i);
        set.insert(value.to_string());
        tree.entry(value % 100).or_insert_with(Vec::new).push(i);
        heap.push(value);
        if i % 3 == 0 { queue.push_back(value) } else { queue.push_front(value) }
        list.push_back(value);
    }
    let mut sorted: Vec<_> = map.iter().collect();
    sorted.sort();
    let mut texts: Vec<_> = set.into_iter().collect();
    texts.sort();
    println!("{} {:?} {:?}", sorted.len(), sorted[0], sorted[sorted.len() - 1]);
    println!("{} {:?}", texts.len(), &texts[..5]);
    println!("{} {:?}", tree.len(), tree.range(40..43).map(|(k, v)| (k, v.len())).collect::<Vec<_>>());
    println!("{:?} {:?} {:?}", heap.pop(), queue.iter().take(4).collect::<Vec<_>>(), list.back());
}
