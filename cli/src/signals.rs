//! SIGTERM and SIGINT: the first asks to stop, the second stops at once; or what is done before they end a
//! command as they always do.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Asks a program to look at its files again.
pub(crate) const LOOK: &str = "SIGUSR1";

/// Signals will come through here, by their names.
#[derive(Debug)]
pub(crate) struct Stop(Receiver<&'static str>);

/// Begins to listen. From the first signal on, the process ends after `patience` whatever happens.
pub(crate) fn listen(patience: Duration) -> io::Result<Stop> {
    listen_to(&[SIGTERM, SIGINT], patience)
}

/// The same, for a program that can be asked to look at its files again, which stops nothing.
pub(crate) fn listen_and_look(patience: Duration) -> io::Result<Stop> {
    listen_to(&[SIGTERM, SIGINT, SIGUSR1], patience)
}

fn listen_to(which: &[i32], patience: Duration) -> io::Result<Stop> {
    let mut signals = Signals::new(which)?;
    let (stop, stopped) = channel();
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                let _ = stop.send(LOOK);
                continue;
            }
            if asked {
                process::exit(128 + signal);
            }
            asked = true;
            let _ = stop.send(if signal == SIGINT { "SIGINT" } else { "SIGTERM" });
            thread::spawn(move || {
                thread::sleep(patience);
                process::exit(1);
            });
        }
    })?;
    Ok(Stop(stopped))
}

/// Does this before a signal ends the process, as it does all the same.
pub(crate) fn before_end(last: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            last();
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

impl Stop {
    /// Waits for the first signal and tells its name.
    pub(crate) fn wait(&self) -> &'static str {
        self.0.recv().unwrap_or("SIGTERM")
    }

    /// Waits for a signal for so long at most.
    pub(crate) fn wait_within(&self, patience: Duration) -> Option<&'static str> {
        match self.0.recv_timeout(patience) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some("SIGTERM"),
        }
    }
}
