//! A real Compose file of three tiers for the test's engines, a proxy, a backend and a database, as its authors
//! published it, with images that are made here.
//!
//! The images hold programs of the test's own that do what the authors' do in small: the proxy asks the
//! backend, the backend the database with the password of its secret, and the database keeps rows in its
//! volume and answers all that it has. What else differs from the file: the backend exposes the port that
//! its image would declare, without which it is found on its own node only, and which is a free one here; the port of the machine that is
//! published is a free one; and the database's health is asked every second instead of every ten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::docker_images::Image;

const FILE: &str = "compose/awesome/nginx-golang-postgres.yaml";
/// The project, and what its objects' names begin with.
const PROJECT: &str = "shop";
/// What the file's author calls the database's password; the test writes it.
const PASSWORD_FILE: &str = "db/password.txt";
/// What nginx is told, which the file mounts from beside it. Here it is the proxy's program.
const PROXY_FILE: &str = "proxy/nginx.conf";

/// Answers at a port with what stands below `/www`, and ends at once when it is asked to.
const SERVE: &str = r#"
mkdir -p /etc /tmp /www/cgi-bin
cat > /serve <<'EOF'
#!/bin/sh
httpd -f -p $1 -h /www &
trap 'exit 0' TERM
wait
EOF
busybox chmod 755 /serve
"#;

/// A question has a row to keep, or none, and the password behind it.
const DATABASE: &str = r#"
echo 'root:x:0:0::/:/bin/sh' > /etc/passwd
echo 'postgres:x:70:70::/:/bin/sh' >> /etc/passwd
echo 'postgres:x:70:' > /etc/group
echo end > /www/ready
cat > /bin/pg_isready <<'EOF'
#!/bin/sh
exec wget -q -O /dev/null http://127.0.0.1:5432/ready
EOF
cat > /www/cgi-bin/ask <<'EOF'
#!/bin/sh
table=/var/lib/postgresql/data/$POSTGRES_DB
if [ "${QUERY_STRING##*password=}" != "$(cat $POSTGRES_PASSWORD_FILE)" ]; then
    printf 'Status: 403 Forbidden\r\n\r\n'
    exit
fi
row=${QUERY_STRING%%&*}
if [ -n "$row" ]; then echo "$row" >> $table; busybox sync; fi
touch $table
printf 'Content-Type: text/plain\r\n\r\n'
cat $table
EOF
busybox chmod 755 /bin/pg_isready /www/cgi-bin/ask
"#;

const BACKEND: &str = r#"
cat > /www/cgi-bin/ask <<'EOF'
#!/bin/sh
asked="http://db:5432/cgi-bin/ask?$QUERY_STRING&password=$(cat /run/secrets/db-password)"
if ! rows=$(wget -q -O - "$asked"); then
    printf 'Status: 502 Bad Gateway\r\n\r\n'
    exit
fi
printf 'Content-Type: text/plain\r\n\r\n'
echo "$rows"
EOF
busybox chmod 755 /www/cgi-bin/ask
"#;

const PROXY: &str = "ln -s /etc/nginx/conf.d/default.conf /www/cgi-bin/ask";
const PROXY_PROGRAM: &str = r#"#!/bin/sh
if ! rows=$(wget -q -O - "http://backend:PORT/cgi-bin/ask?$QUERY_STRING"); then
    printf 'Status: 502 Bad Gateway\r\n\r\n'
    exit
fi
printf 'Content-Type: text/plain\r\n\r\n'
echo "$rows"
echo end
"#;

/// The images of the three tiers; the backend listens at this port.
pub(crate) fn images(backend: u16) -> [Image; 3] {
    let furnished = |own: &str| format!("{SERVE}{own}");
    let backend = furnished(BACKEND).replace("$1", &backend.to_string());
    [
        Image { name: "postgres:local", furnished: furnished(DATABASE), runs: &["/serve", "5432"] },
        Image { name: "backend:local", furnished: backend, runs: &["/serve"] },
        Image { name: "nginx:local", furnished: furnished(PROXY), runs: &["/serve", "80"] },
    ]
}

/// Writes the project into a folder of this one, published at this port, with this port of the backend; its
/// file, or `None`, and says why, when the test data is not on this machine.
///
/// # Panics
/// When it is absent and real parts are required.
pub(crate) fn write(folder: &Path, port: u16, backend_port: u16) -> Option<PathBuf> {
    let text = fs::read_to_string(setpoint_test_support::data(FILE)?).expect("it reads");
    let mut project: Value = serde_saphyr::from_str(&text).expect("the file parses");
    let services = &mut project["services"];
    let backend = services["backend"].as_object_mut().expect("a backend");
    backend.remove("build").expect("it is built from its source");
    backend.insert("image".to_owned(), json!("backend:local"));
    backend.insert("expose".to_owned(), json!([backend_port.to_string()]));
    services["db"]["image"] = json!("postgres:local");
    services["db"]["healthcheck"]["interval"] = json!("1s");
    services["proxy"]["image"] = json!("nginx:local");
    services["proxy"]["ports"] = json!([format!("{port}:80")]);
    let folder = folder.join(PROJECT);
    put(&folder.join(PASSWORD_FILE), "of-the-test");
    let program = PROXY_PROGRAM.replace("PORT", &backend_port.to_string());
    put(&folder.join(PROXY_FILE), &program);
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.join(PROXY_FILE), runs).expect("it can be run");
    let file = folder.join("compose.yaml");
    put(&file, &project.to_string());
    Some(file)
}

fn put(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("a folder")).expect("the folder is made");
    fs::write(file, text).expect("it is written");
}
