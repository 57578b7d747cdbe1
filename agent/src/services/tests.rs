//! Two nodes of one machine, with real sockets: connections, packets and names between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use super::objects::{Service, Slice};
use super::*;

const SOON: Duration = Duration::from_secs(10);
/// Nobody's but these tests'.
const ADDRESS: &str = "127.98.53.20";
const PORT: u16 = 18_080;

/// A node without an API.
struct Node {
    known: Arc<Known>,
    name: &'static str,
    ferry: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Node {
    /// One that only ferries, and one that also listens.
    async fn start(name: &'static str, listens: bool) -> Node {
        let node = NodeName::parse(name).expect("a name");
        let known = Arc::new(Known::new(node.clone()));
        let ferry = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = ferry.local_addr().expect("bound");
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tasks = JoinSet::new();
        tasks.spawn(ferry::serve(ferry, node.clone(), known.clone(), room.clone()));
        if listens {
            let (publish, way) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Arc::new(dial::Way { node }));
            let machine = Some(publish);
            let listeners = listen::Listeners { publish, machine, known: known.clone(), way, room };
            tasks.spawn(listeners.keep());
        }
        Node { known, name, ferry: address, _tasks: tasks }
    }
}

/// An endpoint on a node, and what holds of it: `r`eady, `s`erving, `t`erminating.
fn endpoint(uid: &str, node: &Node, flags: &str) -> Value {
    json!({"addresses": ["127.0.0.1"], "nodeName": node.name, "ferry": node.ferry.to_string(),
        "targetRef": {"uid": uid},
        "conditions": {"ready": flags.contains('r'), "serving": flags.contains('s'),
            "terminating": flags.contains('t')}})
}

/// Tells a node of the Service `web` and where its ports lead, one slice a port.
fn tell(node: &Node, protocol: &str, endpoints: &[(u16, Value)]) {
    let service = json!({"metadata": {"namespace": "d", "name": "web"},
        "spec": {"clusterIP": ADDRESS, "ports": [{"port": PORT, "protocol": protocol}]}});
    node.known.set_service(Service::of(&service));
    for (to, endpoint) in endpoints {
        let slice = json!({
            "metadata": {"namespace": "d", "name": format!("web-{to}"),
                "labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "", "protocol": protocol, "port": to}], "endpoints": [endpoint],
        });
        node.known.set_slice(Slice::of(&slice).expect("a slice"));
    }
}

/// A server that says its name first and then what it hears; its port.
async fn echo(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(name.as_bytes()).await;
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

/// A connection to the Service, and who answers.
async fn connect() -> Option<(TcpStream, char)> {
    let mut stream = TcpStream::connect((ADDRESS, PORT)).await.ok()?;
    let who = timeout(SOON, stream.read_u8()).await.ok()?.ok()?;
    Some((stream, char::from(who)))
}

/// Who answers now, in so many tries.
async fn who(tries: usize) -> String {
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..tries {
        all.extend(connect().await.map(|(_, who)| who));
    }
    all.into_iter().collect()
}

async fn listens() {
    let look = async {
        while TcpStream::connect((ADDRESS, PORT)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, look).await.expect("it listens");
}

/// One test: both use the one address.
#[tokio::test(flavor = "multi_thread")]
async fn connections_and_packets_reach_ready_endpoints_on_every_node() {
    let (here, there) = (Node::start("n1", true).await, Node::start("n2", false).await);
    let (a, b) = (echo("a").await, echo("b").await);
    let both = |of_a: &str, of_b: &str| {
        let endpoints = [(a, endpoint("a", &here, of_a)), (b, endpoint("b", &there, of_b))];
        [&here, &there].into_iter().for_each(|node| tell(node, "TCP", &endpoints));
    };
    both("rs", "rs");
    listens().await;
    assert_eq!(who(8).await, "ab", "straight and by the ferry");

    let (mut old, mut speaks) = connect().await.expect("it answers");
    while speaks != 'b' {
        (old, speaks) = connect().await.expect("it answers");
    }
    both("rs", "st");
    assert_eq!(who(8).await, "a", "who stops gets no new connection");
    old.write_all(b"still here").await.expect("it is sent");
    let mut heard = [0; 10];
    timeout(SOON, old.read_exact(&mut heard)).await.expect("in time").expect("it is answered");
    assert_eq!(&heard, b"still here", "and finishes its old ones");

    // Nobody listens where c should.
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let c = gone.local_addr().expect("bound").port();
    drop(gone);
    both("rs", "");
    [&here, &there]
        .into_iter()
        .for_each(|node| tell(node, "TCP", &[(c, endpoint("c", &there, "rs"))]));
    assert_eq!(who(8).await, "a", "another endpoint takes what one does not");
    both("", "");
    [&here, &there]
        .into_iter()
        .for_each(|node| tell(node, "TCP", &[(c, endpoint("c", &there, ""))]));
    assert_eq!(who(2).await, "", "without endpoints there is no answer");

    let packets = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = packets.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let mut packet = [0; 64];
        while let Ok((length, from)) = packets.recv_from(&mut packet).await {
            let _ = packets.send_to(&packet[..length], from).await;
        }
    });
    for node in [&here, &there] {
        [a, b, c]
            .into_iter()
            .for_each(|to| node.known.drop_slice(&("d".to_owned(), format!("web-{to}"))));
    }
    for owner in [&here, &there] {
        let endpoints = [(port, endpoint("p", owner, "rs"))];
        [&here, &there].into_iter().for_each(|node| tell(node, "UDP", &endpoints));
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let asks = async {
            let mut answer = [0; 64];
            loop {
                client.send_to(b"ping", (ADDRESS, PORT)).await.expect("it is sent");
                let heard = timeout(Duration::from_millis(200), client.recv(&mut answer)).await;
                if let Ok(Ok(length)) = heard {
                    return answer[..length].to_vec();
                }
            }
        };
        let answer = timeout(SOON, asks).await.expect("a packet comes back");
        assert_eq!(answer, b"ping", "by {}", owner.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_have_the_port_of_its_own_service() {
    let node = Node::start("n1", true).await;
    // Nobody's but this test's.
    let address = "127.98.53.22";
    let tell = |port: u16, flags: &str| {
        let name = format!("own-{port}");
        let service = json!({"metadata": {"namespace": "d", "name": name},
            "spec": {"clusterIP": address, "ports": [{"port": port}]}});
        node.known.set_service(Service::of(&service));
        let slice = json!({
            "metadata": {"namespace": "d", "name": name,
                "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "", "protocol": "TCP", "port": port}],
            "endpoints": [endpoint("a", &node, flags)],
        });
        node.known.set_slice(Slice::of(&slice).expect("a slice"));
    };
    let answers = async |port: u16| {
        let connect = async {
            loop {
                match TcpStream::connect((address, port)).await {
                    Ok(mut stream) => return stream.read_u8().await.ok().map(char::from),
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(SOON, connect).await.expect("somebody listens")
    };
    let says = |listener: TcpListener, name: u8| {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&[name]).await;
            }
        })
    };
    let free = async |at: &str| {
        let listener = TcpListener::bind((at, 0)).await.expect("a port");
        listener.local_addr().expect("bound").port()
    };

    let everywhere = free("0.0.0.0").await;
    tell(everywhere, "");
    sleep(Duration::from_millis(200)).await;
    let program = TcpListener::bind(("0.0.0.0", everywhere)).await;
    says(program.expect("nobody is in its way"), b'e');
    tell(everywhere, "rs");
    assert_eq!(answers(everywhere).await, Some('e'), "by itself");

    let here = free("127.0.0.1").await;
    says(TcpListener::bind(("127.0.0.1", here)).await.expect("a port"), b'h');
    tell(here, "rs");
    assert_eq!(answers(here).await, Some('h'), "by who listens for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ferry_leads_to_endpoints_of_its_node_only() {
    let (here, there) = (Node::start("n1", false).await, Node::start("n2", false).await);
    let a = echo("a").await;
    tell(&there, "TCP", &[(a, endpoint("a", &there, "rs"))]);
    tell(&here, "TCP", &[(a, endpoint("a", &there, "rs"))]);
    for (node, line, answer) in [
        (&there, format!("setpoint-ferry/1 tcp d/web a {a}\n"), "crossed"),
        (&there, format!("setpoint-ferry/1 udp d/web a {a}\n"), "no such endpoint"),
        (&there, format!("setpoint-ferry/1 tcp d/web b {a}\n"), "no such endpoint"),
        (&there, "setpoint-ferry/1 tcp d/web a 22\n".to_owned(), "no such endpoint"),
        (&here, format!("setpoint-ferry/1 tcp d/web a {a}\n"), "no such endpoint"),
        (&there, "GET / HTTP/1.1\r\n".to_owned(), "no such endpoint"),
    ] {
        let mut stream = TcpStream::connect(node.ferry).await.expect("it listens");
        stream.write_all(line.as_bytes()).await.expect("it is sent");
        let said = timeout(SOON, dial::line_of(&mut stream)).await.expect("in time");
        let said = said.expect("a line");
        assert!(said.starts_with(answer), "{line:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_by_packet_and_by_connection_and_others_are_asked_on() {
    let node = Node::start("n1", false).await;
    tell(&node, "TCP", &[]);
    let upstream = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let upstreams = vec![upstream.local_addr().expect("bound")];
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = upstream.recv_from(&mut packet).await {
            packet[2] |= 0x80;
            let _ = upstream.send_to(&packet[..length], from).await;
        }
    });
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = free.local_addr().expect("bound");
    drop(free);
    let options = ServicesOptions {
        ferry_port: 0,
        publish: IpAddr::V4(Ipv4Addr::LOCALHOST),
        names: Some(at),
        domain: "cluster.local".to_owned(),
        upstreams,
        resolver: None,
        searches: Vec::new(),
    };
    tokio::spawn(names::serve(at, names::Zone::new(&options), node.known.clone()));
    let question = |name: &str| {
        let mut bytes = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).expect("a label"));
            bytes.extend(label.as_bytes());
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes
    };
    let client = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    client.connect(at).await.expect("an address");
    let ask = async |name: &str| {
        let mut answer = vec![0; 512];
        loop {
            let _ = client.send(&question(name)).await;
            let heard = timeout(Duration::from_secs(2), client.recv(&mut answer)).await;
            if let Ok(Ok(length)) = heard {
                return answer[..length].to_vec();
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let address: Ipv4Addr = ADDRESS.parse().expect("an address");
    let own = timeout(SOON, ask("web.d.svc.cluster.local")).await.expect("an answer");
    assert!(own.ends_with(&address.octets()), "{own:?}");
    let absent = timeout(SOON, ask("nobody.d.svc.cluster.local")).await.expect("an answer");
    assert_eq!(absent[3] & 15, 3, "there is no such name");
    let other = timeout(SOON, ask("example.org")).await.expect("an answer");
    assert_eq!((&other[..2], other[2] & 0x80), (&[0, 9][..], 0x80), "somebody else's");

    let mut stream = TcpStream::connect(at).await.expect("it listens");
    let asked = question("web.d.svc.cluster.local");
    stream.write_u16(u16::try_from(asked.len()).expect("short")).await.expect("it is sent");
    stream.write_all(&asked).await.expect("it is sent");
    let length = timeout(SOON, stream.read_u16()).await.expect("in time").expect("an answer");
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.expect("all of it");
    assert_eq!(answer, own);
}
