//! Completions as bash asks for them: the script that the program prints, with the words that bash would hand over.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

/// A bash that completes a command line, and prints what it found.
const ASK: &str = r#"
source <("$PROGRAM" completion bash)
_setpoint
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The program gives its server half a second, which a busy machine may take for less: so often it is asked.
const ASKED_MAX: usize = 5;

/// Asks until bash offers this, as somebody presses the key again.
fn offers(server: &str, words: &[&str], wanted: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..ASKED_MAX {
        found = offered(server, words);
        if found == wanted {
            return;
        }
    }
    assert_eq!(found, wanted, "{words:?}");
}

/// What bash would offer for these words, the last of which is being written.
fn offered(server: &str, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let program = env!("CARGO_BIN_EXE_setpoint");
    let line =
        format!("COMP_WORDS=('{program}' {}); COMP_CWORD={}\n{ASK}", quoted.join(" "), words.len());
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("bash")
        .args(["--norc", "-c", &line])
        .current_dir(folder.path())
        .env_remove("SETPOINT_CLIENT__TOKEN")
        .env("PROGRAM", program)
        .env("LC_ALL", "C")
        .env("SETPOINT_CLIENT__SERVER", server)
        .output()
        .expect("bash starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A server that says of every list that these are in it.
fn serve(names: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|one| answer(one, names)));
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, names: &[&str]) {
    let asked = BufReader::new(stream.try_clone().expect("the same connection")).lines();
    let head = asked.map_while(Result::ok).take_while(|line| !line.is_empty());
    assert!(head.count() > 0, "a request has a head");
    let items: Vec<String> =
        names.iter().map(|name| format!(r#"{{"metadata": {{"name": "{name}"}}}}"#)).collect();
    let body = format!(r#"{{"items": [{}]}}"#, items.join(","));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    // Who is gone already has its answer.
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
}

#[test]
fn bash_completes_verbs_flags_and_names() {
    let server = serve(&["web-1", "web-2", "db"]);
    let table: &[(&[&str], &[&str])] = &[
        (&["dead"], &["deadletter"]),
        (&["get", "pods", "web"], &["web-1", "web-2"]),
        (&["logs", "-n", "shop", "d"], &["db"]),
        (&["get", "pods", "--namespace", "=", "w"], &["web-1", "web-2"]),
        (&["get", "pods", "--no-"], &["--no-headers"]),
    ];
    for (words, wanted) in table {
        offers(&server, words, wanted);
    }
}

#[test]
fn bash_is_told_nothing_by_a_server_that_is_away() {
    assert_eq!(offered("http://127.0.0.1:1", &["get", "pods", "web"]), Vec::<String>::new());
    assert_eq!(offered("http://127.0.0.1:1", &["get", "nod"]), ["nodes"]);
}
