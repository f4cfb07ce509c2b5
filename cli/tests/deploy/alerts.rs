//! The alerting rules, against the series that a broker exports.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::town::Town;
use crate::{names, read, text, yaml};

fn rules() -> Vec<Value> {
    let file = yaml("docs/deploy/alerts.yml");
    assert_eq!(names(&file), ["groups"]);
    let groups = file["groups"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["name"].is_string()));
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The words of an expression that are names: of series, functions, labels.
fn words(expression: &str) -> BTreeSet<&str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expression.split(|letter: char| !is_part(letter));
    words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_alphabetic())).collect()
}

#[test]
fn the_three_alerts_of_the_deployment_contract_are_there() {
    let rules = rules();
    let expected = [
        ("broker_db_healthy == 0", "page"),
        ("broker_queue_depth > 10000", "ticket"),
        ("broker_connections_rejected_total{reason=\"capacity\"}", "ticket"),
    ];
    assert_eq!(rules.len(), expected.len());
    for (rule, (part, severity)) in rules.iter().zip(expected) {
        let known = ["alert", "expr", "for", "labels", "annotations"];
        assert!(names(rule).iter().all(|name| known.contains(name)), "{rule}");
        assert!(text(&rule["expr"], "expr").contains(part), "{rule}");
        assert_eq!(rule["labels"]["severity"], severity);
        for note in ["summary", "description"] {
            let said = text(&rule["annotations"][note], note);
            assert_eq!(said.matches("{{").count(), said.matches("}}").count(), "{said}");
        }
    }
    assert_eq!(rules[0]["for"], "1m", "longer than 60 s");
}

#[test]
fn every_series_of_a_rule_is_exported_with_its_labels() {
    let town = Town::new();
    let _broker = town.serve();
    let page = metrics(town.port);
    let table = read("docs/metrics.md");
    for rule in rules() {
        let expression = text(&rule["expr"], "expr");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            assert_eq!(expression.matches(open).count(), expression.matches(close).count(), "{expression}");
        }
        let series: Vec<&str> =
            words(expression).into_iter().filter(|word| word.contains("broker_")).collect();
        assert!(!series.is_empty(), "{expression}");
        for name in series {
            assert!(page.lines().any(|line| line.starts_with(&format!("# TYPE {name} "))), "no {name}");
            let row = table.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
            for selector in expression.split(&format!("{name}{{")).skip(1) {
                let (label, rest) = selector.split_once("=\"").unwrap();
                let value = rest.split('"').next().unwrap();
                assert!(row.contains(&format!("`{label}`")) && row.contains(&format!("`{value}`")), "{row}");
            }
        }
    }
}

#[test]
fn everything_else_in_a_rule_is_of_its_language() {
    let known = ["increase", "or", "unless", "offset", "reason", "capacity", "m"];
    for rule in rules() {
        let words = words(text(&rule["expr"], "expr"));
        for word in words.into_iter().filter(|word| !word.starts_with("broker_")) {
            assert!(known.contains(&word), "{word}");
        }
    }
}

#[test]
fn the_page_about_deploying_names_every_alert() {
    let page = read("docs/deploy/README.md");
    for rule in rules() {
        let name = text(&rule["alert"], "alert");
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// The metrics page of the broker on this port.
fn metrics(port: u16) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}
