use super::*;

/// The tree in a short notation without positions.
fn show(node: &Node) -> String {
    let all = |items: &[Node]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match &node.value {
        Value::Nil => "nil".into(),
        Value::Bool(b) => b.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Float(f) => format!("{f:?}"),
        Value::Char(c) => format!("{c:?}"),
        Value::String(s) => format!("{s:?}"),
        Value::Keyword(k) => format!(":{k}"),
        Value::Symbol(s) => s.clone(),
        Value::List(items) => format!("({})", all(items)),
        Value::Vector(items) => format!("[{}]", all(items)),
        Value::Set(items) => format!("#{{{}}}", all(items)),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(k, v)| format!("{} {}", show(k), show(v))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

#[test]
fn values() {
    for (text, expected) in [
        ("{}", "{}"),
        ("nil", "nil"),
        (" true ", "true"),
        ("-12", "-12"),
        ("+12", "12"),
        ("12N", "12"),
        ("0", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("1.5", "1.5"),
        ("-1e3", "-1000.0"),
        ("2.50M", "2.5"),
        (r#""a\n\"b\"\\ \u00e9""#, r#""a\n\"b\"\\ é""#),
        (r"[\a \newline \( \u0041 \u]", r"['a' '\n' '(' 'A' 'u']"),
        (":os-family", ":os-family"),
        (":io-apic-enabled?", ":io-apic-enabled?"),
        (":a/b", ":a/b"),
        ("foo.bar/baz", "foo.bar/baz"),
        ("-", "-"),
        ("(1 2, 3)", "(1 2 3)"),
        ("#{1 :a}", "#{1 :a}"),
        ("{:a 1 ; comment }\n :b [nil]}", "{:a 1 :b [nil]}"),
        ("[1 #_2 3 #_ #_ 4 5]", "[1 3]"),
        ("[#_{:a [1]}]", "[]"),
        ("\u{feff}{:a 1}", "{:a 1}"),
        ("{:a 1}\r\n; end", "{:a 1}"),
    ] {
        let node = read(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(show(&node), expected, "{text:?}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let nested = "[".repeat(MAX_DEPTH + 2);
    let discards = format!("[{} 1]", "#_".repeat(100_000));
    for (text, line, column, part) in [
        ("", 1, 1, "holds no value"),
        ("; only a comment", 1, 17, "holds no value"),
        ("{:a 1", 1, 1, "`{` is never closed"),
        ("{:a\n  [1 2}", 2, 7, "`}` does not close the `[` of line 2, column 3"),
        ("{:a 1}}", 1, 7, "closes nothing"),
        ("{:a 1} {:b 2}", 1, 8, "text after the end"),
        ("{:a 1 :b}", 1, 7, "this key has no value"),
        ("{:a 1\n :a 2}", 2, 2, "stands in the map already, at line 1, column 2"),
        ("#{1 1}", 1, 5, "twice"),
        ("{:a \"b\n\n}", 1, 5, "never closed"),
        (r#""a\qb""#, 1, 3, "unknown escape"),
        (r#""\ud800""#, 1, 2, "four hexadecimal"),
        (r#""\u12"#, 1, 2, "four hexadecimal"),
        ("{:a #=(+ 1 2)}", 1, 5, "never evaluated"),
        ("{:a #(inc %)}", 1, 5, "never evaluated"),
        ("{:a '(1)}", 1, 5, "never evaluated"),
        ("@a", 1, 1, "never evaluated"),
        ("{:a #inst \"2012\"}", 1, 5, "tagged values (#inst)"),
        ("#\"a.*\"", 1, 1, "regular expressions"),
        ("#", 1, 1, "must be followed"),
        ("##Inf", 1, 1, "symbolic"),
        ("[#_]", 1, 2, "no value after it"),
        ("#_", 1, 1, "no value after it"),
        ("12.04.1", 1, 1, "write it as a string"),
        ("1/2", 1, 1, "is not a number"),
        ("0x10", 1, 1, "is not a number"),
        ("007", 1, 1, "begins with 0"),
        ("99999999999999999999", 1, 1, "too large"),
        ("1e999", 1, 1, "is not a number"),
        ("{: 1}", 1, 2, "is not a keyword"),
        ("::a", 1, 1, "is not a keyword"),
        ("\\", 1, 1, "no character after it"),
        ("\\foo", 1, 1, "unknown character"),
        ("a\u{0}b", 1, 1, "is not a symbol"),
        ("{:é \"ü\" :b ]", 1, 12, "does not close"),
        (nested.as_str(), 1, MAX_DEPTH + 2, "nested deeper"),
        (discards.as_str(), 1, 2 * MAX_DEPTH + 2, "nested deeper"),
    ] {
        let error = read(text).map(|n| show(&n)).expect_err(text);
        let position = error.position().expect("every syntax error has a place");
        assert_eq!((position.line, position.column), (line, column), "{text:.40?}: {error}");
        assert!(error.message().contains(part), "{text:.40?}: {error}");
    }
}

#[test]
fn a_path_leads_to_its_node() {
    let node = read("{:small {:storage [nil {:bus? :x}]}}").expect("reads");
    let path = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>();
    assert_eq!(show(node.locate(&path(&["small", "storage", "1", "bus"]))), ":x");
    assert_eq!(show(node.locate(&path(&["small", "storage", "7"]))), "[nil {:bus? :x}]");
}
