//! Hostile clients on real sockets: whatever they do, those who mean it are served.

mod crowd;
mod drips;
mod floods;
mod ground;
mod storm;
