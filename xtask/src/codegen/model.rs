//! The API model: what the bindings are generated from.

/// The whole API, over all imported versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// The API versions the model knows, oldest first (`7.2`).
    pub versions: Vec<String>,
    /// Result codes with a name of their own.
    pub results: Vec<ResultCode>,
    pub enums: Vec<Enum>,
    pub structs: Vec<Struct>,
    pub interfaces: Vec<Interface>,
}

/// The versions that have an item: one bit for each, by its position in [`Model::versions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Versions(pub u16);

/// Where an item is, and how older versions spelled it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub versions: Versions,
    pub spellings: Vec<Spelling>,
}

/// Words that some versions spelled with other capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    pub versions: Versions,
    pub words: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultCode {
    pub name: String,
    pub value: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enum {
    pub name: String,
    pub facts: Facts,
    pub values: Vec<EnumValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    pub name: String,
    pub facts: Facts,
}

/// A type that travels by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struct {
    pub name: String,
    pub facts: Facts,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub value: Named,
    pub facts: Facts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    /// The interface it extends, if that is one of the API's own.
    pub base: Option<String>,
    /// True when its operations name no object (`IWebsessionManager`).
    pub global: bool,
    pub facts: Facts,
    /// The signatures of all operations; those of one operation stand together, the newest first.
    pub operations: Vec<Operation>,
}

/// One signature of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub kind: OperationKind,
    /// The attribute's or the method's name, as in the XIDL.
    pub name: String,
    /// What the request carries after the object, in the order of the WSDL.
    pub parameters: Vec<Named>,
    /// What the response carries, in the order of the WSDL.
    pub outputs: Vec<Named>,
    pub facts: Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    Get,
    Set,
    Call,
}

/// A name on the wire with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub ty: Type,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    /// A basic type (see [`BASIC_TYPES`]), [`ANY_OBJECT`], or an enum's, struct's or interface's name.
    pub name: String,
    pub array: bool,
}

/// The basic types. `bytes` is base64 in one string on the wire.
pub const BASIC_TYPES: [&str; 9] =
    ["string", "uuid", "bool", "i16", "u16", "i32", "u32", "i64", "bytes"];

/// A reference to an object of any interface.
pub const ANY_OBJECT: &str = "object";

/// The name of the result of a method in its response.
pub const RETURN_VALUE: &str = "returnval";

/// How many versions a model can have: the bits of [`Versions`].
pub const MOST_VERSIONS: usize = 16;

impl Versions {
    /// The one version at `position`.
    pub fn one(position: usize) -> Self {
        Self(1 << position)
    }

    pub fn has(self, position: usize) -> bool {
        position < MOST_VERSIONS && self.0 & (1 << position) != 0
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Positions of its versions, oldest first.
    pub fn positions(self) -> impl DoubleEndedIterator<Item = usize> {
        (0..MOST_VERSIONS).filter(move |position| self.has(*position))
    }

    pub fn first(self) -> Option<usize> {
        self.positions().next()
    }

    pub fn last(self) -> Option<usize> {
        self.positions().next_back()
    }

    /// Unbroken ranges of positions, both ends included.
    pub fn ranges(self) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = vec![];
        for position in self.positions() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == position => *last = position,
                _ => ranges.push((position, position)),
            }
        }
        ranges
    }
}

impl Facts {
    /// Forgets all versions but the `kept` ones; whether any is left.
    fn keep(&mut self, kept: Versions) -> bool {
        self.versions = Versions(self.versions.0 & kept.0);
        self.spellings.retain_mut(|spelling| {
            spelling.versions = Versions(spelling.versions.0 & kept.0);
            spelling.versions != Versions::default()
        });
        self.versions != Versions::default()
    }

    /// How the version at `position` spells `word`, one of the item's own words.
    pub fn spell<'a>(&'a self, word: &'a str, position: usize) -> &'a str {
        let older = self.spellings.iter().filter(|spelling| spelling.versions.has(position));
        older
            .flat_map(|spelling| &spelling.words)
            .find(|older| older.eq_ignore_ascii_case(word))
            .map_or(word, String::as_str)
    }
}

impl Operation {
    /// The part of the operation's wire name that follows `Interface_`.
    pub fn wire_name(&self) -> String {
        self.wire_name_of(&self.name)
    }

    /// The same, where the attribute or method is called `name`.
    pub fn wire_name_of(&self, name: &str) -> String {
        let prefix = match self.kind {
            OperationKind::Get => "get",
            OperationKind::Set => "set",
            OperationKind::Call => return name.to_owned(),
        };
        let mut letters = name.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        prefix.chars().chain(first).chain(letters).collect()
    }

    /// Whether both are signatures of the same operation.
    pub fn is_same_operation(&self, other: &Self) -> bool {
        self.wire_name().eq_ignore_ascii_case(&other.wire_name())
    }
}

impl Model {
    /// All versions of the model.
    pub fn all_versions(&self) -> Versions {
        (0..self.versions.len()).fold(Versions::default(), |all, i| all.union(Versions::one(i)))
    }

    /// The model as it would be if only its newest `count` versions had been imported: to measure
    /// what the others cost.
    pub fn newest(&self, count: usize) -> Self {
        let positions = self.versions.len().saturating_sub(count)..self.versions.len();
        let kept = positions.fold(Versions::default(), |kept, i| kept.union(Versions::one(i)));
        let mut model = self.clone();
        model.enums.retain_mut(|item| item.facts.keep(kept));
        for item in &mut model.enums {
            item.values.retain_mut(|value| value.facts.keep(kept));
        }
        model.structs.retain_mut(|item| item.facts.keep(kept));
        for item in &mut model.structs {
            item.fields.retain_mut(|field| field.facts.keep(kept));
        }
        model.interfaces.retain_mut(|item| item.facts.keep(kept));
        for item in &mut model.interfaces {
            item.operations.retain_mut(|operation| operation.facts.keep(kept));
        }
        model
    }

    /// The name of the version at `position`.
    pub fn version(&self, position: usize) -> &str {
        self.versions.get(position).map_or("?", String::as_str)
    }

    /// Versions for people: `4.1 to 4.3, 7.2`.
    pub fn versions_text(&self, versions: Versions) -> String {
        let text = |(first, last)| match first == last {
            true => self.version(first).to_owned(),
            false => format!("{} to {}", self.version(first), self.version(last)),
        };
        versions.ranges().into_iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// The versions of a part of something, in a sentence: `Since 4.3.`; nothing where they are
    /// the same as the whole's.
    pub fn since_text(&self, versions: Versions, whole: Versions) -> Option<String> {
        if versions == whole {
            return None;
        }
        let newest = self.versions.len().checked_sub(1);
        Some(match versions.ranges().as_slice() {
            [(first, last)] if Some(*last) == newest => format!("Since {}.", self.version(*first)),
            [(0, last)] => format!("Until {}.", self.version(*last)),
            [(first, last)] if first == last => format!("Only in {}.", self.version(*first)),
            _ => format!("Only in {}.", self.versions_text(versions)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_with_their_gaps() {
        let model = Model {
            versions: ["4.1", "4.2", "4.3", "5.0"].map(str::to_owned).to_vec(),
            ..Model::default()
        };
        let all = model.all_versions();
        assert_eq!(all, Versions(0b1111));
        for (bits, text, since) in [
            (0b1111, "4.1 to 5.0", None),
            (0b1100, "4.3 to 5.0", Some("Since 4.3.")),
            (0b1000, "5.0", Some("Since 5.0.")),
            (0b0011, "4.1 to 4.2", Some("Until 4.2.")),
            (0b0010, "4.2", Some("Only in 4.2.")),
            (0b0110, "4.2 to 4.3", Some("Only in 4.2 to 4.3.")),
            (0b1011, "4.1 to 4.2, 5.0", Some("Only in 4.1 to 4.2, 5.0.")),
        ] {
            assert_eq!(model.versions_text(Versions(bits)), text);
            assert_eq!(model.since_text(Versions(bits), all).as_deref(), since);
        }
        assert!(!Versions(u16::MAX).has(16));
    }

    #[test]
    fn older_spellings_differ_in_capitals_only() {
        let spellings = vec![Spelling { versions: Versions(0b1), words: vec!["hostIp".into()] }];
        let facts = Facts { versions: Versions(0b11), spellings };
        assert_eq!(facts.spell("hostIP", 0), "hostIp");
        assert_eq!(facts.spell("hostIP", 1), "hostIP");
        assert_eq!(facts.spell("name", 0), "name");
    }
}
