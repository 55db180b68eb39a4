//! epoll with a timer that is precise to microseconds, where its own timeout counts milliseconds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

const TIMER: u64 = u64::MAX;
const NONE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

pub(super) struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Poller {
            epoll,
            timer,
            events: Vec::with_capacity(1024),
        })
    }

    /// Watches a socket for reading, and for writing if `writable`, under a number.
    pub(super) fn add(&self, socket: impl AsFd, number: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            socket,
            EventData::new_u64(number),
            flags,
        )?)
    }

    pub(super) fn modify(
        &self,
        socket: impl AsFd,
        number: u64,
        flags: EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            socket,
            EventData::new_u64(number),
            flags,
        )?)
    }

    /// Waits for something to happen, at most for `timeout`. The events are the caller's until they
    /// are given back to [`done`](Poller::done).
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<Vec<Event>> {
        let precise = !timeout.is_zero();
        if precise {
            let it_value = Timespec::try_from(timeout).map_err(io::Error::other)?;
            let once = Itimerspec {
                it_interval: NONE,
                it_value,
            };
            // Setting it also takes back an expiry nobody looked at.
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        }
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, (!precise).then_some(&NONE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = std::mem::take(&mut self.events);
        events.retain(|event| event.data.u64() != TIMER);
        Ok(events)
    }

    /// Takes the events back, for their memory.
    pub(super) fn done(&mut self, events: Vec<Event>) {
        self.events = events;
    }
}
