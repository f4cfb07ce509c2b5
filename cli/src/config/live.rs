//! The settings of live topics' port. It is on where any of them is set.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use peermesh_core::config::{LiveConfig, Pattern, TopicRule};

use super::names;
use super::parse::{self, List, Refused, refused};
use super::reader::Reader;

/// Everything about live topics that the operator can decide, but for limits.
#[derive(Debug)]
pub(crate) struct Live {
    /// Where watchers come in; port 0 is any that is free.
    pub(crate) listen: SocketAddr,
    /// The channel on which Postgres says that something stands in the feed.
    pub(crate) feed: Option<String>,
    pub(crate) config: LiveConfig,
}

/// How some topics are served, as a setting says it.
#[derive(Debug)]
struct Rule {
    text: String,
    rule: (Pattern, TopicRule),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes the settings; none where live topics are not wished for.
pub(super) fn take(reader: &mut Reader<'_>) -> Option<Live> {
    let is_on = reader.is_live();
    let port = reader.take(&names::LIVE_PORT, None, port, 8081);
    let host = reader.take(&names::LIVE_HOST, None, parse::host, IpAddr::from([0, 0, 0, 0]));
    let secret = reader.take_secret(&names::LIVE_AUTH);
    let rules = reader.take(&names::LIVE_TOPICS, None, rules, List(Vec::new())).0;
    let feed = reader.take_optional(&names::LIVE_FEED, channel);
    let rules = rules.into_iter().map(|rule| rule.rule).collect();
    let config = LiveConfig { secret, rules, has_feed: feed.is_some() };
    is_on.then(|| Live { listen: SocketAddr::new(host, port), feed, config })
}

fn port(text: &str) -> Result<u16, Refused> {
    text.parse().map_err(|_| refused(text, "a whole number from 0 to 65535; 0 is any port that is free"))
}

fn rules(text: &str) -> Result<List<Rule>, Refused> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let read = |item: &str| {
        let (pattern, served) = item.split_once('=')?;
        let rule = TopicRule::parse(served)?;
        Some(Rule { text: item.to_owned(), rule: (Pattern::new(pattern), rule) })
    };
    let wanted = "a list like fleet.*=conflate,logs.*=gap:count=50:ms=60000,chat=disconnect:volatile";
    items.map(|item| read(item).ok_or_else(|| refused(item, wanted))).collect::<Result<_, _>>().map(List)
}

fn channel(text: &str) -> Result<String, Refused> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && text.len() < 64;
    is_name.then(|| text.to_owned()).ok_or_else(|| refused(text, "a channel's name of letters, digits and _"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{row, settings};
    use super::super::{Flags, Settings};
    use peermesh_core::config::{Kept, Slow};

    use super::*;

    fn live(variables: &[(&str, &str)], file: &str) -> Option<(String, Settings)> {
        let settings = settings(&Flags::default(), variables, file).unwrap();
        let listen = settings.live.as_ref()?.listen.to_string();
        Some((listen, settings))
    }

    #[test]
    fn live_topics_are_off_until_anything_of_them_is_set() {
        assert!(live(&[], "").is_none());
        assert!(live(&[("PEERMESH_LIVE_HISTORY_MAX", "5")], "").is_none(), "a bound turns nothing on");
        for (variable, value) in [
            ("LIVE_WS_PORT", "8081"),
            ("LIVE_WS_HOST", "0.0.0.0"),
            ("LIVE_WS_PING_INTERVAL_MS", "30000"),
            ("LIVE_WS_DRAIN_TIMEOUT_MS", "5000"),
            ("LIVE_AUTH_SECRET", "s"),
            ("PEERMESH_LIVE_TOPICS", "a=gap"),
        ] {
            assert_eq!(live(&[(variable, value)], "").unwrap().0, "0.0.0.0:8081", "{variable}");
        }
        for line in ["port = 8081", "ping_interval_ms = 30000", "drain_timeout_ms = 5000", "auth = \"s\""] {
            assert_eq!(live(&[], &format!("[live]\n{line}")).unwrap().0, "0.0.0.0:8081", "{line}");
        }
    }

    #[test]
    fn every_variable_and_every_key_reaches_its_place() {
        let variables = [
            ("LIVE_WS_PORT", "0"),
            ("LIVE_WS_HOST", "127.0.0.1"),
            ("LIVE_WS_PING_INTERVAL_MS", "1000"),
            ("LIVE_WS_DRAIN_TIMEOUT_MS", "2000"),
        ];
        let (listen, settings) = live(&variables, "").unwrap();
        assert_eq!(listen, "127.0.0.1:0");
        assert_eq!((settings.limits.live_ping_ms(), settings.limits.live_drain_ms()), (1_000, 2_000));
        assert!(settings.live.unwrap().config.secret.is_none(), "the scaffold");
        let file = "[live]\nport = 9000\nhost = \"::1\"\nping_interval_ms = 70\ndrain_timeout_ms = 80\n\
                    auth = \"hunter2\"\nfeed = \"news\"\n\
                    topics = [\"a*=conflate\", \"b=gap:volatile:count=5:bytes=70:ms=9\"]";
        let (listen, settings) = live(&[], file).unwrap();
        assert_eq!(listen, "[::1]:9000");
        assert_eq!((settings.limits.live_ping_ms(), settings.limits.live_drain_ms()), (70, 80));
        assert_eq!(row(&settings, "live_auth").0, "(set)");
        let live = settings.live.unwrap();
        assert!(live.config.secret.is_some() && live.config.has_feed);
        assert_eq!(live.feed.as_deref(), Some("news"));
        let (pattern, rule) = &live.config.rules[1];
        assert!(pattern.fits("b") && rule.volatile && rule.slow == Slow::Gap);
        assert_eq!(rule.kept, Kept { count: Some(5), bytes: Some(70), millis: Some(9) });
        assert_eq!(live.config.rules[0].1, TopicRule { slow: Slow::Conflate, ..TopicRule::default() });
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let wrong = [
            ("LIVE_WS_PORT", "70000"),
            ("LIVE_WS_PING_INTERVAL_MS", "0"),
            ("PEERMESH_LIVE_TOPICS", "a=later"),
            ("PEERMESH_LIVE_TOPICS", "a=gap:count=many"),
            ("PEERMESH_LIVE_TOPICS", "a=gap:sometimes"),
            ("PEERMESH_LIVE_FEED", "two words"),
        ];
        let text = settings(&Flags::default(), &wrong, "[live]\nprot = 1").unwrap_err().to_string();
        for name in
            ["LIVE_WS_PORT", "LIVE_WS_PING_INTERVAL_MS", "PEERMESH_LIVE_TOPICS", "LIVE_FEED", "live.prot"]
        {
            assert!(text.contains(name), "{name} is missing from:\n{text}");
        }
    }
}
