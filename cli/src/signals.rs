//! SIGTERM and SIGINT: the first asks to stop, the second stops at once.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The first signal will come through here, by its name.
#[derive(Debug)]
pub(crate) struct Stop(Receiver<&'static str>);

/// Begins to listen. From the first signal on, the process ends after `patience` whatever happens.
pub(crate) fn listen(patience: Duration) -> io::Result<Stop> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (stop, stopped) = channel();
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
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

impl Stop {
    /// Waits for the first signal and tells its name.
    pub(crate) fn wait(&self) -> &'static str {
        self.0.recv().unwrap_or("SIGTERM")
    }
}
