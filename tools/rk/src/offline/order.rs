//! The order in which Java walks a hash map (java.util.HashMap): by slot, and within a slot as the keys came.
//! A slot that Java makes a tree of, nine keys of one slot among 64 or more, is walked as a list here.

/// Slots of a `HashMap` that was made without a size.
pub(crate) const MAP_SLOTS: usize = 16;

/// Slots of a node's set of children (DataNode.addChild).
pub(crate) const CHILDREN_SLOTS: usize = 8;

/// Below so many slots a map grows instead of keeping a slot with more than [`SLOT_MAX`] keys.
const SLOTS_BEFORE_TREES: usize = 64;
const SLOT_MAX: usize = 8;

/// String.hashCode, spread.
pub(crate) fn of_text(text: &str) -> u32 {
    let step = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    spread(text.encode_utf16().fold(0, step))
}

/// Long.hashCode, spread.
pub(crate) fn of_long(number: i64) -> u32 {
    spread((number ^ ((number as u64) >> 32) as i64) as u32)
}

fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

/// Indices of different keys, which were put in one after the other, in the order in which they are walked.
pub(crate) fn walked(hashes: &[u32], mut slots: usize) -> Vec<usize> {
    for count in 1..=hashes.len() {
        if slots < SLOTS_BEFORE_TREES {
            let slot = |hash: u32| hash as usize & (slots - 1);
            let mine = slot(hashes[count - 1]);
            let before = hashes[..count].iter().filter(|hash| slot(**hash) == mine).count();
            slots *= if before > SLOT_MAX { 2 } else { 1 };
        }
        slots *= if count > slots / 4 * 3 { 2 } else { 1 };
    }
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|at| hashes[*at] as usize & (slots - 1));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_walked_as_java_walks_them() {
        // Goal: OpenJDK 17: new HashSet<>(8) with n0 to n12 and "zookeeper"; a HashMap<Long, Integer>.
        let names: Vec<String> =
            (0..13).map(|n| format!("n{n}")).chain(["zookeeper".into()]).collect();
        let hashes: Vec<u32> = names.iter().map(|name| of_text(name)).collect();
        let order = walked(&hashes, CHILDREN_SLOTS);
        let walked_names: Vec<&str> = order.iter().map(|at| names[*at].as_str()).collect();
        assert_eq!(walked_names.join(" "), "n0 n1 n2 zookeeper n3 n4 n5 n6 n7 n8 n9 n10 n12 n11");
        let ids = [0x1000_0000_0001_i64, 0x2000_0000_0005, -7, 33, 17, 1];
        let hashes: Vec<u32> = ids.iter().map(|id| of_long(*id)).collect();
        let order = walked(&hashes, MAP_SLOTS);
        let order: Vec<i64> = order.iter().map(|at| ids[*at]).collect();
        assert_eq!(order, [17_592_186_044_417, 33, 17, 1, 35_184_372_088_837, -7]);
    }
}
