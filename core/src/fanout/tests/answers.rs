//! Answers put aside until their sessions have been told.

use super::*;
use crate::history::play::commit;

fn wakes(session: &Recorder) -> usize {
    session.wakes.load(Ordering::Relaxed)
}

#[test]
fn an_answer_goes_with_what_is_told_of_it() {
    let vault = Vault::new();
    let projector = Projector::new(&vault);
    let (session, _registration) = projector.session(&user(0));
    let (later, _other) = projector.session(&user(1));
    projector.fanout.wake_when_told(1, session.clone());
    projector.fanout.wake_when_told(2, later.clone());
    assert_eq!((wakes(&session), wakes(&later)), (0, 0));
    projector.project(&[commit(1, &[])]);
    assert_eq!((wakes(&session), wakes(&later)), (1, 0));
    projector.project(&[commit(2, &[])]);
    assert_eq!((wakes(&session), wakes(&later)), (1, 1));
    // The projector was faster than the writer.
    projector.fanout.wake_when_told(2, later.clone());
    assert_eq!(wakes(&later), 2);
}

#[test]
fn an_answer_does_not_wait_for_a_projector_that_is_behind() {
    let vault = Vault::new();
    let projector = Projector::new(&vault);
    let (session, _registration) = projector.session(&user(0));
    projector.fanout.wake_when_told(1, session.clone());
    projector.fanout.wake_overdue();
    assert_eq!(wakes(&session), 0, "it has only just come");
    projector.fanout.wake_overdue();
    assert_eq!(wakes(&session), 1);
    projector.project(&[commit(1, &[])]);
    projector.fanout.wake_overdue();
    assert_eq!(wakes(&session), 1, "once is enough");
}
