//! `peermesh mcp`: lets a coding agent be a peer, by the Model Context Protocol over standard input and
//! output.
//!
//! *Does not:* talk to brokers. The daemon does, and keeps what is sent and what comes while no agent runs.
//! *Always holds:* the async executor that the protocol's library brings runs in this process alone, and only
//! what belongs to the protocol is written to standard output.

mod desk;
mod feed;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rmcp::ServiceExt;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::stdio;
use serde_json::Value;

use crate::failure::Failure;
use crate::home::Home;
use crate::peer::PeerError;
use crate::peer::profile::Profile;
use crate::signals;
use crate::terminal::check_seen;

use desk::Desk;
use tools::Call;

/// Calls that are worked on at once, waits included.
const CALLS_MAX: usize = 16;
/// From a signal to the end of the process.
const ENDS: Duration = Duration::from_secs(3);

/// Serves one agent until its input ends or a signal comes.
///
/// # Errors
/// When the server cannot be started, or nobody would hear its answers.
pub(crate) fn run(home: Home, profile: Profile, name: Option<&str>) -> Result<(), Failure> {
    check_seen()?;
    let name = name.unwrap_or(&profile.name).to_owned();
    let desk = Arc::new(Desk::new(home, profile, name)?);
    let failed = |error: std::io::Error| Failure::Agent { why: error.to_string() };
    let stop = signals::listen(ENDS).map_err(failed)?;
    let ending = Arc::clone(&desk);
    let stopper = thread::Builder::new().name("stop".into()).spawn(move || {
        stop.wait();
        ending.end();
        std::process::exit(0);
    });
    stopper.map_err(failed)?;
    let feeding = Arc::clone(&desk);
    thread::Builder::new().name("feed".into()).spawn(move || feed::run(&feeding)).map_err(failed)?;
    // One thread for the protocol, and a bounded number of others for what blocks.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CALLS_MAX + 4)
        .build()
        .map_err(failed)?;
    let agent = Agent { desk: Arc::clone(&desk), calls: Arc::default() };
    let served = runtime.block_on(async {
        let service = agent.serve(stdio()).await.map_err(|error| error.to_string())?;
        service.waiting().await.map_err(|error| error.to_string())
    });
    desk.end();
    // A call that still waits is nobody's any more.
    runtime.shutdown_background();
    served.map(|_| ()).map_err(|why| Failure::Agent { why })
}

/// What the library asks.
#[derive(Clone, Debug)]
struct Agent {
    desk: Arc<Desk>,
    calls: Arc<AtomicUsize>,
}

impl ServerHandler for Agent {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("peermesh", env!("CARGO_PKG_VERSION")))
            .with_instructions(tools::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, rmcp::ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all().into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, rmcp::ErrorData> {
        let call = match tools::read(&request.name, &request.arguments.unwrap_or_default()) {
            Ok(call) => call,
            Err(refusal) => return Ok(refused(refusal).into()),
        };
        let Some(place) = Place::take(&self.calls) else {
            let refusal = format!("{CALLS_MAX} calls are under way; wait until one of them ends");
            return Ok(refused(refusal).into());
        };
        let (desk, called_off) = (Arc::clone(&self.desk), context.ct);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = perform(&desk, &call, &|| called_off.is_cancelled());
            drop(place);
            answer
        });
        let answer = answer.await.unwrap_or_else(|error| Err(error.to_string()));
        Ok(answer.map_or_else(refused, CallToolResult::structured).into())
    }
}

/// Does what a call asks. Blocks.
fn perform(desk: &Desk, call: &Call, is_called_off: &dyn Fn() -> bool) -> Result<Value, String> {
    desk.came_back();
    let told = |error: PeerError| error.to_string();
    match call {
        Call::ListPeers => desk.list_peers().map_err(told),
        Call::Send(wish) => desk.send(wish).map_err(unsent),
        Call::Receive { wait, limit } => desk.receive(Instant::now() + *wait, *limit, is_called_off),
    }
}

/// Why a message was not sent, in words of the tool.
fn unsent(error: PeerError) -> String {
    match error {
        PeerError::SendRetry { text, id } => format!(
            "it is not known whether the message was taken ({text}); call send_message again with the same \
             arguments and the key {id:?}, so that it is sent once"
        ),
        PeerError::KeyUsed { id } => {
            format!("the key {id:?} was used for another message; call again with another key, or none")
        }
        error => error.to_string(),
    }
}

/// An error that the agent reads, and not only its program.
fn refused(text: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn tool(told: tools::Told) -> Tool {
    let mut hints = ToolAnnotations::new();
    hints.title = Some(told.title.to_owned());
    hints.read_only_hint = Some(told.is_reading);
    hints.destructive_hint = Some(false);
    hints.open_world_hint = Some(true);
    let mut tool = Tool::new(told.name, told.description, told.schema);
    tool.annotations = Some(hints);
    tool
}

/// One of the calls that are worked on at once.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(calls: &Arc<AtomicUsize>) -> Option<Place> {
        let taken = calls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count < CALLS_MAX).then_some(count + 1)
        });
        taken.is_ok().then(|| Place(Arc::clone(calls)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
