//! Sixty texts that shells, files and tools like to misunderstand.

/// The texts. None has a NUL, which neither paths nor arguments can carry.
pub fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'",
        "''",
        "\"",
        "\"\"",
        "'\"'\"'",
        "it's",
        "say \"hi\"",
        "\\",
        "\\\\",
        "\\'",
        "$",
        "$HOME",
        "${HOME}",
        "$(id)",
        "$((1+1))",
        "`id`",
        "`",
        "$'\\n'",
        "$\"x\"",
        "$$",
        "!",
        "!!",
        "!$",
        "#",
        "# not a comment",
        "~",
        "~root",
        "-",
        "--",
        "-n",
        "--help",
        "-rf *",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        ";",
        "; rm -rf /nothing",
        "&&true",
        "|cat",
        ">x",
        "<x",
        "a b",
        " a",
        "a ",
        "\ta\t",
        "EOF",
        "PALLET_EOF",
        "%s%n%d",
        "=a",
        "a=b",
        "\u{fc}\u{df}\u{6f22}\u{1f600}",
        "e\u{301}",
        "\u{7f}\u{1b}[31m",
        "\u{1}\u{2}\u{8}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("two\nlines".to_owned());
    texts.push("\nEOF\n)\n}\nfi\ndone\n".to_owned());
    texts.push("carriage\r\nreturn\r".to_owned());
    let mark = "pallet-00000000000000000000000000000000 end 0 0";
    texts.push(format!("\n{mark}\n\u{1e}{mark}\u{1e}"));
    texts.push("x'\"$(".repeat(200_000));
    assert_eq!(texts.len(), 60);
    texts
}
