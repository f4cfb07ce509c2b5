//! The driver of the shared store against a real Postgres: what only a server, a second broker or a bad
//! network can show. That it means what the model means is shown by `stores`.

mod chains;
mod counts;
mod desk;
mod migrations;
mod owners;
mod plans;
mod tls;
mod views;
mod weather;
