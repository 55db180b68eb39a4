//! The power goes: what had not been synced to the disk is gone. A kill would not show it, because
//! the system writes out what a killed process had written.
//!
//! The disk is an image file with a file system of its own. While whoever writes to it is frozen, the
//! raw image is copied, and the copy is what they find when they come back. Two rounds here;
//! `cargo xtask power-cut` runs as many as one likes. Where mounting is not allowed the tests say
//! so and prove nothing, unless rounds were asked for.

use std::{collections::BTreeMap, env, fs, io::Write as _, time::Duration};

use fastrand::Rng;
use tidings_tests::{World, disk::Disk, fleet::Fleet, server, wait};

use crate::kill_rounds::{check, rounds, sound, urls, whole};

/// A disk, if there can be one here.
fn disk(folder: &tempfile::TempDir) -> Option<Disk> {
    match Disk::new(folder.path()) {
        Ok(disk) => Some(disk),
        Err(why) => {
            assert!(
                env::var_os("TIDINGS_ROUNDS").is_none(),
                "no power can be cut here: {why}"
            );
            println!("SKIPPED, no power can be cut here: {why}");
            None
        }
    }
}

/// The method itself: what is synced stays, what is not goes.
#[test]
fn what_was_not_synced_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let (synced, not) = (disk.path().join("synced"), disk.path().join("not"));
    let mut file = fs::File::create(&synced).unwrap();
    file.write_all(b"one").unwrap();
    file.sync_all().unwrap();
    fs::File::open(disk.path()).unwrap().sync_all().unwrap();
    file.write_all(b" two").unwrap();
    fs::write(&not, "three").unwrap();
    drop(file);
    let copy = disk.snapshot();
    disk.cut(&copy);
    assert_eq!(fs::read_to_string(&synced).unwrap(), "one");
    assert!(!not.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_power_cuts() {
    let mut random = Rng::with_seed(wait::seed());
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::embedded();
    world.data = disk.path().join("data");

    let mut server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    for round in 0..rounds(2) {
        load(&fleet, &mut random).await;
        server.freeze().await;
        let (promised, copy) = (fleet.promised(), disk.snapshot());
        server.kill();
        disk.cut(&copy);
        sound(&world);
        server = world.start().await;
        check(&fleet, &server, &mut histories).await;
        println!("round {round}: power cut after {promised} messages");
    }
    fleet.until_promised(fleet.promised() + 10).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_power_cuts() {
    let mut random = Rng::with_seed(wait::seed());
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::jetstream_in(disk.path()).await;
    // The configuration has been there for long.
    disk.sync();

    let mut server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    for round in 0..rounds(2) {
        load(&fleet, &mut random).await;
        server::freeze(world.nats().id().expect("it runs")).await;
        let (promised, copy) = (fleet.promised(), disk.snapshot());
        world.nats().kill();
        disk.cut(&copy);
        world.nats().restart().await;
        // The server has survived it; then it is killed, too, so that the tools can look.
        fleet.until_promised(fleet.promised() + 10).await;
        server.kill();
        sound(&world);
        server = world.start().await;
        check(&fleet, &server, &mut histories).await;
        println!("round {round}: power cut after {promised} messages");
    }
    fleet.until_promised(fleet.promised() + 10).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
    server.kill();
    world.nats().kill();
}

/// Some messages, and then any moment between two of them.
async fn load(fleet: &Fleet, random: &mut Rng) {
    fleet
        .until_promised(fleet.promised() + random.usize(1..150))
        .await;
    tokio::time::sleep(Duration::from_micros(random.u64(..3_000))).await;
}
