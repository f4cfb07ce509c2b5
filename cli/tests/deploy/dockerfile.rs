//! As much of a Dockerfile as ours uses: instructions, stages, flags, lists in JSON.

use super::read;

/// Every instruction that may stand in ours. `ADD`, `VOLUME` and `MAINTAINER` have no place there.
const KNOWN: [&str; 14] = [
    "FROM",
    "ARG",
    "ENV",
    "COPY",
    "RUN",
    "WORKDIR",
    "USER",
    "EXPOSE",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
    "LABEL",
    "SHELL",
];

/// One instruction: `COPY --from=build /a /b`.
#[derive(Debug, Clone)]
pub(crate) struct Instruction {
    pub(crate) word: String,
    /// `--from=build` as `("from", "build")`.
    pub(crate) flags: Vec<(String, String)>,
    /// What follows the flags.
    pub(crate) rest: String,
}

impl Instruction {
    pub(crate) fn words(&self) -> Vec<&str> {
        self.rest.split_whitespace().collect()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// The program and its arguments, where they are given as a list: without a shell in between, signals
    /// reach the program.
    pub(crate) fn list(&self) -> Vec<String> {
        let list = self.rest.strip_prefix("CMD").unwrap_or(&self.rest).trim();
        serde_json::from_str(list).unwrap_or_else(|error| panic!("{} {list}: {error}", self.word))
    }
}

/// One stage: its `FROM` and what follows.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) image: String,
    pub(crate) name: Option<String>,
    pub(crate) instructions: Vec<Instruction>,
}

impl Stage {
    pub(crate) fn all(&self, word: &str) -> Vec<&Instruction> {
        self.instructions.iter().filter(|instruction| instruction.word == word).collect()
    }

    /// The only instruction of its kind.
    pub(crate) fn one(&self, word: &str) -> &Instruction {
        let found = self.all(word);
        assert_eq!(found.len(), 1, "{word} in {self:?}");
        found[0]
    }
}

/// The stages of our Dockerfile.
pub(crate) fn stages() -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions(&read("Dockerfile")) {
        assert!(KNOWN.contains(&instruction.word.as_str()), "{instruction:?}");
        if instruction.word == "FROM" {
            let words = instruction.words();
            let name = words.get(2).map(|name| (*name).to_owned());
            assert!(name.is_none() || words[1] == "AS", "{instruction:?}");
            stages.push(Stage { image: words[0].to_owned(), name, instructions: Vec::new() });
        } else {
            stages.last_mut().expect("FROM comes first").instructions.push(instruction);
        }
    }
    stages
}

fn instructions(file: &str) -> Vec<Instruction> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut whole: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match whole.last_mut().filter(|_| goes_on) {
            Some(start) => start.push_str(part),
            None => whole.push(part.to_owned()),
        }
        goes_on = more;
    }
    assert!(!goes_on, "the last line goes on");
    whole.iter().map(|line| instruction(line)).collect()
}

fn instruction(line: &str) -> Instruction {
    let (word, mut rest) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{line} says nothing"));
    let mut flags = Vec::new();
    while let Some(flag) = rest.trim_start().strip_prefix("--") {
        let (flag, after) = flag.split_once(' ').unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        flags.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    Instruction { word: word.to_owned(), flags, rest: rest.trim().to_owned() }
}
