//! `mentions`: the messages that mention this member, in the order in which they were accepted.

use serde_json::{Value, json};

use super::enquiry;
use super::peers::field;
use super::profile::Profile;
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::Terminal;

/// Rows that a broker gives at once at most.
const PAGE: u64 = 200;

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Span<'a> {
    /// The cursor of an earlier call.
    pub(crate) after: Option<&'a str>,
    /// At most so many.
    pub(crate) limit: u64,
}

/// Lists them, page after page.
pub(crate) fn run(
    profile: &Profile,
    broker: Option<&str>,
    span: &Span<'_>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut after = span.after.map(str::to_owned);
    let (mut mentions, mut left, mut more) = (Vec::new(), span.limit, true);
    while more && left > 0 {
        let mut page = enquiry::ask(profile, broker, &target(after.as_deref(), left.min(PAGE)))?;
        if let Some(Value::Array(rows)) = page.get_mut("mentions").map(Value::take) {
            left = left.saturating_sub(rows.len() as u64);
            mentions.extend(rows);
        }
        more = page.get("more") == Some(&Value::Bool(true));
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
    }
    let lines: Vec<String> = mentions.iter().map(line).collect();
    let is_empty = mentions.is_empty();
    let value = json!({ "mentions": mentions, "next": after, "more": more });
    terminal.result(&value, lines.iter().map(String::as_str))?;
    match after {
        _ if is_empty && span.after.is_some() => terminal.remark("there are no more"),
        _ if is_empty => terminal.remark("nobody mentions this member"),
        Some(after) if more => {
            terminal.remark(&format!("there may be more: peermesh mentions --after {after}"));
        }
        Some(_) | None => {}
    }
    Ok(())
}

fn target(after: Option<&str>, limit: u64) -> String {
    match after {
        Some(after) => format!("/v1/mentions?after={}&limit={limit}", segment(after)),
        None => format!("/v1/mentions?limit={limit}"),
    }
}

fn line(mention: &Value) -> String {
    let [at, from, id, priority] =
        ["createdAt", "senderName", "messageId", "priority"].map(|name| field(mention, name));
    let to = match field(mention, "targetSpec") {
        "" => ", not sent to you".to_owned(),
        spec if spec.starts_with(['@', '*', '#']) => format!(", to {spec}"),
        _ => String::new(),
    };
    format!("{at}  {from} mentions you in {id} ({priority}{to})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_names_its_sender_its_message_and_to_whom_it_went() {
        let mut mention = json!({
            "createdAt": "T1", "senderName": "ann", "messageId": "m1", "priority": "now", "targetSpec": "@ops",
        });
        assert_eq!(line(&mention), "T1  ann mentions you in m1 (now, to @ops)");
        mention["targetSpec"] = "00ff".into();
        assert_eq!(line(&mention), "T1  ann mentions you in m1 (now)");
        mention.as_object_mut().unwrap().remove("targetSpec");
        assert_eq!(line(&mention), "T1  ann mentions you in m1 (now, not sent to you)");
    }

    #[test]
    fn a_cursor_cannot_leave_its_place() {
        assert_eq!(target(None, 7), "/v1/mentions?limit=7");
        assert_eq!(target(Some("a&b=c"), 200), "/v1/mentions?after=a%26b%3Dc&limit=200");
    }
}
