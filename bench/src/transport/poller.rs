//! epoll, and timers that are precise to microseconds where its own timeout counts milliseconds.

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
    /// Ends a wait.
    timer: OwnedFd,
    /// Ends a nap: reading it blocks until it expires.
    alarm: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let alarm = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Poller {
            epoll,
            timer,
            alarm,
            events: Vec::with_capacity(1024),
        })
    }

    /// Watches a socket under a number.
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
            // Also takes back an expiry nobody looked at.
            set(&self.timer, timeout)?;
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

    /// Sleeps, whatever happens. Ordinary sleeping may take 50 us longer than asked.
    pub(super) fn nap(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        set(&self.alarm, time)?;
        match rustix::io::read(&self.alarm, &mut [0; 8]) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn set(timer: &OwnedFd, time: Duration) -> io::Result<()> {
    let it_value = Timespec::try_from(time).map_err(io::Error::other)?;
    let once = Itimerspec {
        it_interval: NONE,
        it_value,
    };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
    Ok(())
}
