//! The loads on runners: commands to them, events from them to a target.

use std::io;
use std::net::SocketAddr;

use super::traffic::{Flow, To, Traffic, Until};
use super::{Course, LoadError, Mark, Outcome, SETTLE, Site};
use crate::process::reserve_files;
use crate::server::{Server, Setup};
use crate::wire::Speaker;
use crate::wire::echo::Echo;
use crate::wire::pool::Pool;
use crate::wire::runner::{Caller, Runner, SECRET, Target};

/// Callers send commands, each to the runner of its number.
///
/// # Errors
/// [`LoadError`].
pub fn commands(site: &Site, callers: usize, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    let mark = || site.mark(None);
    commands_by(port(site), site.token(SECRET), (callers, runners), course, &mark)
}

/// The same by a bare relay, which keeps nothing and asks nobody who they are.
///
/// # Errors
/// [`LoadError`].
pub fn relayed_commands(callers: usize, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    let mut pool = Pool::new()?;
    // Commands go to runners alone, but a relay has a target.
    let target = pool.listen(Box::new(|| Box::new(Target)))?;
    let relay = Echo::relay(target, 1)?;
    let mark = || Ok(Mark { usage: relay.usage()?, ..Mark::default() });
    commands_by(relay.addr, SECRET, (callers, runners), course, &mark)
}

type Look<'a> = dyn Fn() -> io::Result<Mark> + 'a;

fn commands_by(
    addr: SocketAddr,
    secret: &str,
    (callers, runners): (usize, usize),
    course: Course,
    mark: &Look<'_>,
) -> Result<Outcome, LoadError> {
    reserve_files((callers + runners) as u64)?;
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
    Ok(traffic.measure(&mut pool, course, &mut || mark())?)
}

/// Runners say events, which a broker of our own brings to a target within the generator.
///
/// # Errors
/// [`LoadError`].
pub fn events(setup: &Setup, runners: usize, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(2 * runners as u64)?;
    let mut pool = Pool::new()?;
    let target = pool.listen(Box::new(|| Box::new(Target)))?;
    let site = Site::Own(Box::new(Server::start(setup, Some(target))?));
    let mark = || site.mark(None);
    events_by(port(&site), pool, runners, course, &mark)
}

/// The same by a bare relay, which has a connection to the target for each runner.
///
/// # Errors
/// [`LoadError`].
pub fn relayed_events(runners: usize, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(2 * runners as u64)?;
    let mut pool = Pool::new()?;
    let target = pool.listen(Box::new(|| Box::new(Target)))?;
    let relay = Echo::relay(target, runners)?;
    while pool.len() < runners {
        pool.turn(SETTLE, &mut |_, _| ())?;
    }
    let mark = || Ok(Mark { usage: relay.usage()?, ..Mark::default() });
    events_by(relay.addr, pool, runners, course, &mark)
}

fn events_by(
    addr: SocketAddr,
    mut pool: Pool,
    runners: usize,
    course: Course,
    mark: &Look<'_>,
) -> Result<Outcome, LoadError> {
    let first = pool.len();
    let speaker = |number| Box::new(Runner::new(number, SECRET)) as Box<dyn Speaker>;
    pool.join(addr, (0..runners).map(speaker).collect())?;
    if pool.len() != first + runners {
        return Err(io::Error::other("the broker came to the target before there was an event").into());
    }
    let flow = |runner| Flow { from: first + runner, to: To::One(0), copies: 1, until: Until::Arrival };
    let mut traffic = Traffic::new(&(0..runners).map(flow).collect::<Vec<_>>());
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.measure(&mut pool, course, &mut || mark())?)
}

fn port(site: &Site) -> SocketAddr {
    match site {
        Site::Own(server) => server.runners,
        Site::Other { addr, .. } => *addr,
    }
}
