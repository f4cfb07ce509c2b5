//! What the system's service manager is told, where one wants to know (`Type=notify` of systemd). Where none
//! does, nothing is said.

use sd_notify::{NotifyState, notify};

/// Says that the process serves from here on.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the process is about to end.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // Whoever does not listen any more needs no word.
    let _ = notify(&[state]);
}
