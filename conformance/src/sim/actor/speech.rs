//! Everything else that a peer does: it changes its status, asks, joins groups, stops reading, talks
//! nonsense.

use super::peer::{LIST, Peer, READ};
use crate::sim::marks::Mark;
use crate::sim::swarm::PeerKind;
use crate::sim::world::World;

impl Peer {
    /// One deed of a peer that has its hands free.
    pub(super) fn deed(&mut self, world: &mut World) {
        let drawn = self.dice.below(100);
        if self.role.is_flapping && self.dice.chance(25) {
            return self.part(world);
        }
        if self.role.has_twin && self.dice.chance(8) {
            // A second connection, while the first one is there.
            return self.connect(world);
        }
        match drawn {
            0..=47 => {
                let letters = if self.role.is_bursting && self.dice.chance(20) { 12 } else { 1 };
                for _ in 0..letters {
                    self.write_letter(world);
                }
            }
            48..=57 => self.repeat_letter(world),
            58..=67 => self.change_status(world),
            68..=71 => self.part(world),
            72..=75 if self.role.is_slow => self.stop_reading(world),
            76..=80 if self.role.is_lying => self.ack_falsely(world),
            81..=83 if self.role.is_lying => self.borrow_key(world),
            84..=85 if self.role.is_lying => self.talk_nonsense(world),
            86..=90 => self.ask_something(world),
            91..=94 => self.change_groups(world),
            _ => {}
        }
    }

    fn change_status(&mut self, world: &mut World) {
        let status = *self.dice.pick(&["idle", "idle", "working", "dnd"]);
        self.tell_status(world, status);
    }

    pub(super) fn be_idle(&mut self, world: &mut World) {
        self.is_idle_told = true;
        if self.who.kind != PeerKind::SendOnly {
            self.tell_status(world, "idle");
        }
    }

    fn tell_status(&mut self, world: &mut World, status: &str) {
        let Some(link) = self.speaking() else { return };
        if status != "idle" {
            world.tally.mark(Mark::GateShut);
        }
        let speaks_for_others = self.who.kind == PeerKind::SendOnly;
        let conn = world.links[link.0].conn;
        world.oracle.status_sent(world.now, conn, self.who.who, speaks_for_others);
        let text = format!(r#"{{"type":"set_status","status":"{status}","_reqId":"st:{status}:{conn}"}}"#);
        world.write_text(link, &text);
    }

    fn stop_reading(&mut self, world: &mut World) {
        let Some(link) = self.link() else { return };
        world.tally.mark(Mark::SlowReader);
        world.set_reading(link, false);
        let wait = self.dice.around(6_000);
        world.wake_actor(self.place, wait, READ);
    }

    fn ask_something(&mut self, world: &mut World) {
        let Some(link) = self.speaking() else { return };
        let id = world.oracle.some_message_id(&mut self.dice);
        let text = match (self.dice.below(3), id) {
            (0, Some(id)) => format!(r#"{{"type":"message_status","messageId":"{id}","_reqId":"q"}}"#),
            (1, Some(id)) => {
                format!(r#"{{"type":"message_status","messageId":"{}","_reqId":"q"}}"#, &id[..8])
            }
            _ => r#"{"type":"list_peers","all":true,"_reqId":"q"}"#.to_owned(),
        };
        world.write_text(link, &text);
    }

    /// In peace: who is there?
    pub(super) fn ask_list(&mut self, world: &mut World) {
        world.wake_actor(self.place, 4_000, LIST);
        if let Some(link) = self.speaking() {
            world.write_text(link, r#"{"type":"list_peers","_reqId":"who"}"#);
        }
    }

    fn change_groups(&mut self, world: &mut World) {
        let Some(link) = self.speaking() else { return };
        let text = match self.dice.below(4) {
            0 => r#"{"type":"join_group","name":"team","_reqId":"g"}"#,
            1 => r#"{"type":"leave_group","name":"team","_reqId":"g"}"#,
            2 => r#"{"type":"join_group","name":"team/ui","role":"lead","_reqId":"g"}"#,
            _ => r#"{"type":"set_summary","summary":"busy with something","_reqId":"g"}"#,
        };
        world.write_text(link, text);
    }

    fn talk_nonsense(&mut self, world: &mut World) {
        let Some(link) = self.speaking() else { return };
        let text = *self.dice.pick(&[
            "",
            "{",
            r#"{"type":7}"#,
            r#"{"type":"send"}"#,
            r#"{"type":"send","id":"x","targetSpec":"*"}"#,
            r#"{"type":"send","id":"x","targetSpec":"*","ciphertext":"","priority":"soon"}"#,
            r#"{"type":"client_ack"}"#,
            r#"{"type":"client_ack","brokerMessageId":"00000000000000000000000000000000"}"#,
            r#"{"type":"message_status","messageId":"0"}"#,
            r#"{"type":"hello"}"#,
            r#"{"type":"dance","_reqId":"n"}"#,
        ]);
        world.write_text(link, text);
    }
}
