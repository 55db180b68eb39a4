//! The terminal, taken over and given back.

use std::{io, thread};

use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{
            self, DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste,
            EnableFocusChange, Event,
        },
        execute,
    },
};
use tokio::sync::mpsc;

/// The terminal while a chat has it. It is as it was when this is dropped, and when the program panics.
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    pub(super) fn take() -> io::Result<Screen> {
        // Gives raw mode and the other screen back in a panic, before that is reported.
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        let screen = Screen { terminal };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave_modes();
            hook(info);
        }));
        execute!(io::stdout(), EnableBracketedPaste, EnableFocusChange)?;
        Ok(screen)
    }

    pub(super) fn terminal(&mut self) -> &mut DefaultTerminal {
        &mut self.terminal
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave_modes();
        ratatui::restore();
    }
}

fn leave_modes() {
    // A terminal that has gone does not need it.
    let _ = execute!(io::stdout(), DisableBracketedPaste, DisableFocusChange);
}

/// What the user does. A thread of its own, since reading cannot be interrupted; it ends with the
/// process.
pub(super) fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, events) = mpsc::channel(256);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                break;
            }
        }
    });
    events
}
