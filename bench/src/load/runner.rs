//! The loads on runners: commands to them, events from them to a target.

use std::io;
use std::net::SocketAddr;

use super::traffic::{Flow, To, Traffic, Until};
use super::{Course, LoadError, Outcome, SETTLE, Site};
use crate::process::reserve_files;
use crate::server::{Server, Setup};
use crate::wire::Speaker;
use crate::wire::pool::Pool;
use crate::wire::runner::{Caller, Runner, SECRET, Target};

/// Callers send commands, each to the runner of its number.
///
/// # Errors
/// [`LoadError`].
pub fn commands(site: &Site, callers: usize, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    reserve_files((callers + runners) as u64)?;
    let (addr, secret) = (port(site), site.token(SECRET));
    let mut pool = Pool::new()?;
    let mut speakers: Vec<Box<dyn Speaker>> = Vec::new();
    speakers.extend((0..runners).map(|number| Box::new(Runner::new(number, secret)) as Box<dyn Speaker>));
    speakers.extend((0..callers).map(|_| Box::new(Caller::new(secret)) as Box<dyn Speaker>));
    pool.join(addr, speakers)?;
    let flow = |caller| Flow {
        from: runners + caller,
        to: To::One(caller % runners),
        copies: 1,
        until: Until::Both,
    };
    let mut traffic = Traffic::new(&(0..callers).map(flow).collect::<Vec<_>>());
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.measure(&mut pool, course, &mut || site.mark(None))?)
}

/// Runners say events, which a broker of our own brings to a target within the generator.
///
/// # Errors
/// [`LoadError`].
pub fn events(setup: &Setup, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(2 * runners as u64)?;
    let mut pool = Pool::new()?;
    let target = pool.listen(|| Box::new(Target))?;
    let site = Site::Own(Box::new(Server::start(setup, Some(target))?));
    events_of(&site, pool, runners, course)
}

fn events_of(site: &Site, mut pool: Pool, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    let secret = site.token(SECRET);
    let first = pool.len();
    let speaker = |number| Box::new(Runner::new(number, secret)) as Box<dyn Speaker>;
    pool.join(port(site), (0..runners).map(speaker).collect())?;
    if pool.len() != first + runners {
        return Err(io::Error::other("the broker came to the target before there was an event").into());
    }
    let flow = |runner| Flow { from: first + runner, to: To::One(0), copies: 1, until: Until::Arrival };
    let mut traffic = Traffic::new(&(0..runners).map(flow).collect::<Vec<_>>());
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.measure(&mut pool, course, &mut || site.mark(None))?)
}

fn port(site: &Site) -> SocketAddr {
    match site {
        Site::Own(server) => server.runners,
        Site::Other { addr, .. } => *addr,
    }
}
