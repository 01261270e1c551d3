//! The syntax, by what a JDK 17 makes of the same texts.

use super::*;

fn parse(text: &str) -> Result<Jaas, JaasError> {
    let property = |name: &str| match name {
        "pw" => Some("from a flag".to_owned()),
        "none" => Some(String::new()),
        _ => None,
    };
    Jaas::parse(text, &property)
}

fn options(text: &str) -> Vec<(String, String)> {
    let jaas = parse(&format!("S {{ m required {text}; }};")).unwrap();
    let options = &jaas.section("S").unwrap()[0].options;
    options.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

fn value(text: &str) -> String {
    options(&format!("k={text}")).remove(0).1
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_of_zookeepers_is_read() {
    let jaas = parse(
        "/* users\n * of all kinds */\nServer {\n  \
         org.apache.zookeeper.server.auth.DigestLoginModule required // flag\n  \
         user_super=\"adminsecret\"\n  user_bob=\"b o\\\"b\" /* */;\n};\n\
         Client { a.B-c$d required username=\"bob\" password=plain*word; };/ the end",
    )
    .unwrap();
    let server = jaas.section("Server").unwrap();
    assert_eq!(server.len(), 1);
    assert_eq!(server[0].class, "org.apache.zookeeper.server.auth.DigestLoginModule");
    assert_eq!(server[0].options["user_super"].0, "adminsecret");
    assert_eq!(server[0].options["user_bob"].0, "b o\"b");
    let client = jaas.section("Client").unwrap();
    assert_eq!((client[0].class.as_str(), client[0].options.len()), ("a.B-c$d", 2));
    assert_eq!(client[0].options["password"].0, "plain*word");
    assert!(jaas.section("server").is_none());
    assert_eq!(parse("").unwrap(), Jaas::default());
    assert_eq!(parse("Empty { };").unwrap().section("Empty").unwrap().len(), 0);
}

#[test]
fn values_are_javas() {
    for (text, wanted) in [
        ("word", "word"),
        ("a1.b-2", "a1.b-2"),
        ("\"\"", ""),
        ("\"a\\tb\\101\\4018\\\\\"", "a\tbA\u{20}18\\"),
        ("\"a/b//c\"", "a/b//c"),
        ("\"${pw}!\"", "from a flag!"),
        ("\"${/}a${/}\"", "/a/"),
        ("\"${{pw}} ${pw\"", "${{pw}} ${pw"),
        ("größe", "größe"),
    ] {
        assert_eq!(value(text), wanted, "{text}");
    }
    assert_eq!(options("k=a k=b"), [("k".to_owned(), "b".to_owned())]);
    let two = parse("S { a required; b optional x=y; };").unwrap();
    assert_eq!(two.section("S").unwrap().len(), 2);
}

#[test]
fn what_java_refuses_is_refused_with_its_line() {
    for (text, told) in [
        (
            "S { m required k=5; };",
            "line 1: a number without quotes where a value; what is not a word needs double quotes should be",
        ),
        (
            "S {\n m must;\n};",
            "line 2: \"must\" is none of required, requisite, sufficient and optional",
        ),
        ("S { m required; }", "line 1: the file's end where ; should be"),
        ("S { m required }; };", "line 1: '}' where an option or ; should be"),
        ("S { };\nS { };", "line 2: section \"S\" is there twice"),
        (
            "S { m required k='a'; };",
            "line 1: '\\'' where a value; what is not a word needs double quotes should be",
        ),
        ("# a comment\nS { };", "line 1: '#' where a section's name should be"),
        ("S m", "line 1: a word where { should be"),
        ("S { m required k\n\"v\"; };", "line 2: a word where = should be"),
        (
            "S { m required k=\"${no}\"; };",
            "line 1: ${no} is not defined: give it as a flag, -Dno=…",
        ),
        (
            "S { m required k=\"${none}\"; };",
            "line 1: the value of k is empty once its properties are put in",
        ),
        ("S { m required k=\"open\n; };", ""),
    ] {
        match told {
            "" => assert!(parse(text).is_ok(), "a quote ends with its line"),
            told => assert_eq!(refusal(text), told, "{text}"),
        }
    }
}

#[test]
fn passwords_are_not_printed() {
    let jaas = parse("S { m required user_bob=\"verysecret\"; };").unwrap();
    assert!(!format!("{jaas:?}").contains("verysecret"));
}
