//! Reads which modules and crates a file names.

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Path,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Into this crate, from its root.
    Crate(Vec<String>),
    /// Into another crate, by its name, or nowhere.
    Foreign(String),
}

/// The module of a file, from the root of the crate.
pub(crate) fn module_of(file: &std::path::Path) -> Vec<String> {
    let path = file.with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let mut parts: Vec<String> = parts.collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts
}

/// What a file of this module names, but for its tests.
pub(crate) fn named(module: &[String], text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        named: Vec::new(),
    };
    let mut module = module.to_vec();
    reader.items(&mut module);
    reader.named
}

/// A name or a sign, and its line.
type Token = (usize, String);

/// The names and signs of a text, without comments and what stands in quotes. `::` is one sign.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let begin = at;
        match chars[at] {
            '/' if peek(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if peek(at + 1) == '*' => {
                let mut depth = 0;
                while at < chars.len() {
                    match (chars[at], peek(at + 1)) {
                        ('/', '*') => depth += 1,
                        ('*', '/') => depth -= 1,
                        _ => {
                            at += 1;
                            continue;
                        }
                    }
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => at = end_of_text(&chars, at),
            '\'' => {
                // A character in quotes, or the name of a lifetime.
                if peek(at + 1) == '\\' {
                    at += 3;
                    while at < chars.len() && chars[at] != '\'' {
                        at += 1;
                    }
                    at += 1;
                } else if peek(at + 2) == '\'' {
                    at += 3;
                } else {
                    at += 1;
                }
            }
            ':' if peek(at + 1) == ':' => {
                tokens.push((line, "::".to_owned()));
                at += 2;
            }
            c if is_name(c) => {
                while is_name(peek(at)) {
                    at += 1;
                }
                let name: String = chars[begin..at].iter().collect();
                let hashes = (at..).take_while(|at| peek(*at) == '#').count();
                if matches!(name.as_str(), "r" | "br") && peek(at + hashes) == '"' {
                    at = end_of_raw_text(&chars, at + hashes + 1, hashes);
                } else {
                    tokens.push((line, name));
                }
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((line, c.to_string()));
                }
                at += 1;
            }
        }
        at = at.min(chars.len());
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of_text(chars: &[char], begin: usize) -> usize {
    let mut at = begin + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_raw_text(chars: &[char], begin: usize, hashes: usize) -> usize {
    let mut at = begin;
    while at < chars.len() {
        let closing = chars[at..]
            .iter()
            .skip(1)
            .take_while(|c| **c == '#')
            .count();
        if chars[at] == '"' && closing >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    named: Vec<Named>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        let token = self.tokens.get(self.at + ahead);
        token.map_or("", |(_, token)| token.as_str())
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }

    fn is_next(&self, tokens: &[&str]) -> bool {
        tokens
            .iter()
            .enumerate()
            .all(|(ahead, token)| self.peek(ahead) == *token)
    }

    /// Reads to the end of the block at hand, or of the file.
    fn items(&mut self, module: &mut Vec<String>) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            if self.is_next(&["#", "[", "cfg", "(", "test", ")", "]"]) {
                self.at += 7;
                self.skip_item();
                continue;
            }
            match self.peek(0) {
                "mod" if self.peek(2) == "{" => {
                    module.push(self.peek(1).to_owned());
                    self.at += 3;
                    self.items(module);
                    module.pop();
                }
                "{" => {
                    depth += 1;
                    self.at += 1;
                }
                "}" => {
                    self.at += 1;
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                }
                "use" => {
                    self.at += 1;
                    self.tree(module, &[]);
                }
                "crate" | "super" | "self" if self.peek(1) == "::" => self.tree(module, &[]),
                name if self.peek(1) == "::" && is_start(name) => {
                    self.foreign(name.to_owned());
                    while self.peek(1) == "::" {
                        self.at += 2;
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips the item behind an attribute: to the end of its block, or its semicolon.
    fn skip_item(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            let token = self.peek(0).to_owned();
            self.at += 1;
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth = depth.saturating_sub(1);
                    // The braces of a `use` have a semicolon behind them, which ends it as well.
                    if depth == 0 && token == "}" && self.peek(0) != ";" {
                        return;
                    }
                }
                ";" if depth == 0 => return,
                _ => {}
            }
        }
    }

    /// Reads a path, and what stands in braces at its end.
    fn tree(&mut self, module: &[String], before: &[String]) {
        let line = self.line();
        let mut path = before.to_vec();
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(module, &path);
                        if self.peek(0) == "as" {
                            self.at += 2;
                        }
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => self.at += 1,
                "self" if !path.is_empty() => self.at += 1,
                name if is_word(name) => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
                "::" => {}
                _ => {
                    // What no path begins with.
                    self.at += 1;
                    return;
                }
            }
            if self.peek(0) != "::" {
                break;
            }
            self.at += 1;
        }
        match resolve(module, &path) {
            Some(path) => self.named.push(Named {
                line,
                path: Path::Crate(path),
            }),
            None => {
                let first = path.into_iter().next().unwrap_or_default();
                self.named.push(Named {
                    line,
                    path: Path::Foreign(first),
                });
            }
        }
    }

    fn foreign(&mut self, name: String) {
        let line = self.line();
        self.named.push(Named {
            line,
            path: Path::Foreign(name),
        });
    }
}

fn is_word(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Whether a path may begin with this name of a crate.
fn is_start(token: &str) -> bool {
    token.chars().next().is_some_and(char::is_lowercase)
}

/// The path from the root of the crate, of one that begins with `crate`, `self` or `super`.
fn resolve(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first()
        && matches!(first.as_str(), "crate" | "self" | "super")
    {
        if first == "super" {
            base.pop();
        }
        rest = tail;
    }
    base.extend(rest.iter().cloned());
    Some(base)
}
