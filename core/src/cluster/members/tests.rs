//! Who is here, and who writes what.

use super::*;

const EPOCH: Uuid = Uuid::from_u128(7);

fn node(number: u128) -> Announcement {
    Announcement {
        // As spread out as random ones.
        node: Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        epoch: EPOCH,
        format: 1,
        url: format!("http://node-{number}:8080"),
        leaving: false,
        presence: Uuid::nil(),
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn writers(members: &Members, shards: u16) -> Vec<Uuid> {
    (0..shards)
        .map(|shard| members.writer(Shard(shard)))
        .collect()
}

#[test]
fn a_node_alone_writes_everything() {
    let members = Members::new(node(1));
    assert!(
        writers(&members, 64)
            .iter()
            .all(|writer| *writer == node(1).node)
    );
    assert_eq!(members.urls(), Vec::<String>::new());
}

#[test]
fn all_nodes_agree_and_share_the_shards() {
    let all = [node(1), node(2), node(3)];
    let views = all.clone().map(|me| {
        let mut members = Members::new(me);
        for other in &all {
            members.heard(other.clone(), seconds(0));
        }
        writers(&members, 256)
    });
    assert_eq!(views[0], views[1]);
    assert_eq!(views[0], views[2]);
    for one in &all {
        let share = views[0]
            .iter()
            .filter(|writer| **writer == one.node)
            .count();
        assert!((50..=120).contains(&share), "{share} of 256");
    }
}

#[test]
fn who_comes_takes_a_share_and_moves_nothing_else() {
    let mut members = Members::new(node(1));
    members.heard(node(2), seconds(0));
    let before = writers(&members, 256);
    assert!(members.heard(node(3), seconds(0)));
    let after = writers(&members, 256);
    for (before, after) in before.iter().zip(&after) {
        assert!(after == before || *after == node(3).node);
    }
    members.gone(node(3).node);
    assert_eq!(writers(&members, 256), before);
}

#[test]
fn who_leaves_or_writes_differently_gets_nothing() {
    let mut members = Members::new(node(1));
    let leaving = Announcement {
        leaving: true,
        ..node(2)
    };
    let newer = Announcement {
        format: 2,
        ..node(3)
    };
    members.heard(leaving, seconds(0));
    members.heard(newer, seconds(0));
    assert!(
        writers(&members, 64)
            .iter()
            .all(|writer| *writer == node(1).node)
    );
    // Clients can go to the newer one all the same.
    assert_eq!(members.urls(), ["http://node-3:8080"]);
    members.heard(node(4), seconds(0));
    members.leave();
    assert!(
        writers(&members, 64)
            .iter()
            .all(|writer| *writer == node(4).node)
    );
    members.gone(node(4).node);
    assert!(
        writers(&members, 64)
            .iter()
            .all(|writer| *writer == node(1).node),
        "the last one writes to the end"
    );
}

#[test]
fn silence_is_noticed_and_another_log_is_none_of_ours() {
    let mut members = Members::new(node(1));
    let stranger = Announcement {
        epoch: Uuid::from_u128(8),
        ..node(9)
    };
    assert!(!members.heard(stranger, seconds(0)));
    assert!(!members.heard(node(1), seconds(0)), "its own voice");
    assert!(members.heard(node(2), seconds(0)));
    assert!(!members.heard(node(2), seconds(2)), "no news");
    assert!(members.heard(node(3), seconds(1)));
    assert_eq!(members.silent(seconds(4)), [node(3).node]);
    assert_eq!(members.silent(seconds(4)), Vec::<Uuid>::new());
    assert_eq!(members.others(), 1);
}

#[test]
fn who_hears_nobody_goes_on_telling_clients_of_the_others() {
    let millis = Duration::from_millis;
    let mut members = Members::new(node(1));
    let hears = |members: &mut Members, numbers: &[u128], at| {
        for number in numbers {
            members.heard(node(*number), at);
        }
    };
    hears(&mut members, &[1, 2, 3], millis(0));
    hears(&mut members, &[1, 2, 3], millis(500));
    // The connection is lost: this node writes alone, as far as it can.
    let mut silent = members.silent(millis(3_100));
    silent.sort_unstable();
    let mut both = [node(2).node, node(3).node];
    both.sort_unstable();
    assert_eq!(silent, both);
    assert_eq!(members.writer(Shard(0)), node(1).node);
    assert_eq!(members.urls(), [node(2).url, node(3).url]);
    // It is back, and of the others one has been lost meanwhile.
    hears(&mut members, &[1, 2], millis(60_000));
    assert!(members.silent(millis(60_000)).is_empty());
    assert_eq!(members.urls(), [node(2).url, node(3).url]);
    for at in (60_500..63_500).step_by(500) {
        hears(&mut members, &[1, 2], millis(at));
        assert!(members.silent(millis(at)).is_empty());
    }
    assert_eq!(members.urls(), [node(2).url]);
    // One that falls silent alone is gone.
    hears(&mut members, &[1], millis(66_000));
    assert_eq!(members.silent(millis(66_000)), [node(2).node]);
    assert_eq!(members.urls(), Vec::<String>::new());
}
