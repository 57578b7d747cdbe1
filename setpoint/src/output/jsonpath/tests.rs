use serde_json::{Value, json};

use super::{Missing, Path, Template};

/// The input of kubectl's documentation of its JSONPath.
fn documented() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"kind": "None",
             "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
             "status": {"capacity": {"cpu": "4"}, "ready": true,
                        "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}]}},
            {"kind": "None",
             "metadata": {"name": "127.0.0.2", "labels": {"kubernetes.io/hostname": "127.0.0.2"}},
             "status": {"capacity": {"cpu": "8"}, "ready": false,
                        "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.2"},
                                      {"type": "another", "address": "127.0.0.3"}]}}
        ],
        "users": [
            {"name": "myself", "user": {}},
            {"name": "e2e", "user": {"username": "admin", "password": "secret"}}
        ]
    })
}

fn filled(template: &str, value: &Value, missing: Missing) -> Result<String, String> {
    let template = Template::parse(template).map_err(|mistake| mistake.to_string())?;
    template.filled(value, missing).map_err(|mistake| mistake.to_string())
}

#[test]
fn templates_give_what_kubectls_documentation_says() {
    let input = documented();
    for (template, text) in [
        ("kind is {.kind}", "kind is List"),
        ("{['kind']}", "List"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.users[0].name}", "myself"),
        (
            "{.items[*]['metadata.name', 'status.capacity']}",
            r#"127.0.0.1 127.0.0.2 {"cpu":"4"} {"cpu":"8"}"#,
        ),
        (r#"{.users[?(@.name=="e2e")].user.password}"#, "secret"),
        (
            "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
            r#"[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] "#,
        ),
        (r#"{range .items[*]}{.metadata.name}{"\t"}{end}"#, "127.0.0.1\t127.0.0.2\t"),
        (r"{range .items[*]}{.metadata.name}{'\n'}{end}", "127.0.0.1\n127.0.0.2\n"),
        (r"{.items[0].metadata.labels.kubernetes\.io/hostname}", "127.0.0.1"),
        (r"{.items[0].metadata.labels['kubernetes\.io/hostname']}", "127.0.0.1"),
        (r#"{.items[?(@.metadata.labels.kubernetes\.io/hostname=="127.0.0.1")].kind}"#, "None"),
        (r#"{.items[*].status.addresses[?(@.type=="another")].address}"#, "127.0.0.3"),
        ("{range .items[*]}{.metadata.name}, {end}{.kind}", "127.0.0.1, 127.0.0.2, List"),
        (
            "{range .items[*]}{range .status.addresses[*]}{.address}, {end}{end}",
            "127.0.0.1, 127.0.0.2, 127.0.0.3, ",
        ),
        ("{.items[?(@..ready==true)].metadata.name}", "127.0.0.1"),
        ("{.items[-1:].metadata.name}", "127.0.0.2"),
        ("{.items[-1].metadata.name}", "127.0.0.2"),
        (
            "{range .items[*]}{.metadata.name} without an end ",
            "127.0.0.1 without an end 127.0.0.2 without an end ",
        ),
        (r#"{ .kind }{ "{" }{"}"}"#, "List{}"),
        (r"{.kind}\n", r"List\n"),
    ] {
        assert_eq!(filled(template, &input, Missing::Refused).as_deref(), Ok(text), "{template}");
    }
    assert_eq!(filled("{@}", &input, Missing::Refused), Ok(input.to_string()));
    assert_eq!(filled("{.}", &input, Missing::Refused), Ok(input.to_string()));
}

#[test]
fn lists_are_cut_and_filtered_as_kubectl_cuts_and_filters_them() {
    let input = json!({
        "bools": [true, false, true, false], "floats": [1.0, 2.2, 3.3, 4.0],
        "mixed": [true, "one", 1, 1.1, null],
        "points": [{"id": "i1", "x": 4}, {"id": "i2", "x": -2, "z": 1}, {"id": "i3", "x": 8.5}],
    });
    for (template, text) in [
        ("{ .bools }", "[true,false,true,false]"),
        ("{ .bools[-1] }", "false"),
        ("{ .bools[0:2] }", "true false"),
        ("{ .bools[:4:2] }", "true true"),
        ("{ .bools[1::2] }", "false false"),
        ("{ .bools[2:2] }", ""),
        ("{ .floats[*] }", "1 2.2 3.3 4"),
        ("{ .floats[0,3] }", "1 4"),
        ("{ .mixed.* }", "true one 1 1.1 null"),
        ("{.points[?(@.z)].id}", "i2"),
        ("{.points[?(@.x<5)].id}", "i1 i2"),
        ("{.points[?(@.x >= 4)].id}", "i1 i3"),
        ("{.points[?(@.id!='i1')].id}", "i2 i3"),
        ("{.points[?( @.x == -2 )].id}", "i2"),
        ("{..z}", "1"),
        ("{.points[0]['id']}", "i1"),
    ] {
        assert_eq!(filled(template, &input, Missing::Refused).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn what_is_missing_is_nothing_or_a_mistake_as_one_wishes() {
    let input = json!({"items": []});
    let both =
        |template: &str| [Missing::Allowed, Missing::Refused].map(|m| filled(template, &input, m));
    let none = Err("hello is not found".to_owned());
    assert_eq!(both("before-{.hello}after"), [Ok("before-after".to_owned()), none]);
    let [empty, also_empty] = both("{range .items[*]}{.metadata.name}{end}");
    assert_eq!((empty, also_empty), (Ok(String::new()), Ok(String::new())));
    let [beyond, _] = both("{.items[0].metadata.name}");
    assert_eq!(beyond, Err("array index out of bounds: index 0, length 0".to_owned()));
    let [fine, _] = both(r#"{.status.conditions[?(@.type=="Ready")].status}"#);
    assert_eq!(fine, Ok(String::new()));
}

#[test]
fn a_template_that_means_nothing_says_why() {
    let input = documented();
    let deep = ["{", &"[?(".repeat(100_000), "@", &")]".repeat(100_000), "}"].concat();
    for (template, why) in [
        ("", "the template is empty"),
        ("metadata.name", "it has no path; write {.metadata.name}"),
        ("{.kind", "unclosed action"),
        ("{.kind\n}", "unclosed action"),
        ("{hello}", "unrecognized identifier hello"),
        ("{.users[}", "unterminated array"),
        ("{.users[a]}", "invalid array index [a]"),
        ("{.users[::0]}", "step must be > 0"),
        ("{.users[?(@.name]}", "unterminated filter"),
        ("{.users[?(@.name<>'a')]}", "unrecognized filter operator <>"),
        ("{.users[?(@.name=~'a')]}", "no regular expressions"),
        ("{.users[?(@.name=='a' && @.x)]}", "joins nothing here"),
        ("{.users[?(@.name==e2e)]}", "unrecognized identifier e2e"),
        ("{.users[?(@.name==5)]}", "a text is compared with a number"),
        ("{.items[?(@.status.ready>true)]}", "have no order"),
        ("{.kind[0]}", "a text has no elements by number"),
        ("{....name}", "invalid multiple recursive descent"),
        ("{range .items[*]}{@}{end}{end}", "not in range, nothing to end"),
        (r#"{"\q"}"#, "stands for nothing"),
        (r#"{"a}"#, "unterminated quoted string"),
        ("{.users[5]}", "index 5, length 2"),
        ("{#}", "unrecognized character"),
        ("{.items[*]", "unclosed action"),
        ("{.items[", "unterminated array"),
        ("{.items[?(", "unterminated filter"),
        ("{.users[?(@.name==)]}", "both sides of its =="),
        ("{.users[?(=='e2e')]}", "both sides of its =="),
        (deep.as_str(), "filters in a filter"),
    ] {
        let told = filled(template, &input, Missing::Allowed).expect_err(template);
        assert!(told.contains(why), "{template}: {told}");
    }
}

#[test]
fn a_path_of_a_column_may_leave_its_braces_and_its_first_dot_out() {
    let input = documented();
    for text in ["{.users[1].name}", ".users[1].name", "users[1].name", "{users[1].name}"] {
        let path = Path::relaxed(text).expect(text);
        assert_eq!(path.find(&input), Ok(vec![&json!("e2e")]), "{text}");
    }
    assert_eq!(Path::relaxed(".nothing").expect("a path").find(&input), Ok(Vec::new()));
    for text in ["", "{}", "{.a", ".a}", "{.a}{.b}"] {
        assert!(Path::relaxed(text).is_err(), "{text:?}");
    }
}
