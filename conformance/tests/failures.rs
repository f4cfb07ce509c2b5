//! What a person reads when a story goes otherwise.

use std::path::Path;

use peermesh_conformance::driver::Stage;
use peermesh_conformance::driver::core::Memory;
use peermesh_conformance::driver::moody::SharedMood;
use peermesh_conformance::driver::runtime::{Lanes, Runtime};
use peermesh_conformance::driver::sockets::Sockets;
use peermesh_conformance::play::play;
use peermesh_conformance::story::{Story, Told};
use peermesh_core::machine::{Deadline, Input, Machine, Output, Outputs};
use peermesh_core::note::{Level, Note};
use peermesh_core::store::model::Model;
use peermesh_core::time::Now;

/// Says a few words to whoever connects, whatever they say; panics when told so.
struct Parrot;

impl Machine for Parrot {
    fn handle(&mut self, _: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } => {
                let level = if bytes.starts_with(b"error") { Level::Error } else { Level::Info };
                assert!(!bytes.starts_with(b"panic"), "as the story wished");
                todo.push(Output::Note(Note::new(level, "heard something").with("bytes", bytes.len())));
                todo.send_copy(conn, b"words");
                todo.push(Output::Read { conn });
            }
            Input::Order(_) => todo.push(Output::Finished),
            _ => {}
        }
        None
    }
}

fn in_memory() -> Box<dyn Stage> {
    let make = |_| vec![Box::new(Parrot) as Box<dyn Machine>];
    Box::new(Memory::of(Box::new(make), Box::new(Model::new([0; 32]))))
}

fn on(runtime: Runtime) -> Box<dyn Stage> {
    let make = |_| vec![Box::new(Parrot) as Box<dyn Machine + Send>];
    let open = |_: &SharedMood| -> Told<Lanes> { Ok(Lanes::default()) };
    let stage = Sockets::of(runtime, Box::new(make), Box::new(open));
    Box::new(stage.unwrap_or_else(|said| panic!("{}", said.0)))
}

fn everywhere() -> [Box<dyn Stage>; 3] {
    [in_memory(), on(Runtime::Smol), on(Runtime::Threads)]
}

/// Plays the steps; the text of the failure, or nothing.
fn outcome(steps: &str, stage: Box<dyn Stage>) -> String {
    let text = format!("story: a parrot\ncovers: nothing\n{steps}");
    let story = Story::parse(Path::new("parrot.story"), &text).unwrap();
    play(&story, stage).err().map(|failure| failure.to_string()).unwrap_or_default()
}

#[test]
fn what_comes_out_as_told_is_no_failure() {
    let steps = "x dials\nx sends bytes \"hello\"\nx sees bytes \"words\"\n\
                 log \"heard something\" {bytes: 5}\nx sees nothing\nno log \"anything else\"\n\
                 broker restarts\nx sees end\nx dials\nx sees nothing\n";
    for stage in everywhere() {
        assert_eq!(outcome(steps, stage), "");
    }
}

#[test]
fn a_failure_names_the_place_the_step_what_was_seen_and_what_was_logged_last() {
    let steps = "x dials\nx sends bytes \"hello\"\nx sees bytes \"silence\"\n";
    let wanted = "parrot.story:5: x sees bytes \"silence\"\n    saw bytes \"words\"\n      \
                  | info heard something bytes=5";
    for stage in everywhere() {
        assert_eq!(outcome(steps, stage), wanted);
    }
}

#[test]
fn an_error_record_fails_the_step_it_came_with_unless_the_story_expects_it() {
    let steps = "x dials\nx sends bytes \"error\"\nx sees bytes \"words\"\n";
    for stage in everywhere() {
        let failure = outcome(steps, stage);
        assert!(failure.contains("the broker logged: error heard something bytes=5"), "{failure}");
    }
    let pardoned = format!("error: heard something\n{steps}");
    assert_eq!(outcome(&pardoned, in_memory()), "");
}

#[test]
fn a_broker_that_panics_on_its_own_thread_is_named_as_the_cause() {
    for runtime in [Runtime::Smol, Runtime::Threads] {
        let failure = outcome("x dials\nx sends bytes \"panic\"\nx sees bytes \"words\"\n", on(runtime));
        assert!(failure.contains("the broker panicked: as the story wished"), "{failure}");
    }
}

#[test]
fn what_never_comes_is_waited_for_in_virtual_time() {
    let failure = outcome("x dials\nx sees bytes \"words\"\n", in_memory());
    assert!(failure.contains("saw nothing for 2000 ms"), "{failure}");
}
