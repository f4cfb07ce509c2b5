//! Connections, seen from outside: a server, a client, hostile bytes, and a wire between them.

mod closing;
mod cuts;
mod end;
mod frames;
mod http;
mod oracle;
mod outbox;
mod talk;
