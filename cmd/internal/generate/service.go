package main

import (
	"fmt"
	"slices"
)

// service is one kind of conversation: who opens it to whom, how often among all, and what they say.
type service struct {
	weight   int // conversations of 10,000
	proto    uint8
	port     uint16 // of the responder; anyPort is a new one every time
	from, to []*host
	talks    [][]turn // one is picked; of a responder's own, see of
	of       map[*host][]turn
	numbered bool // the first two bytes of a datagram are a number that the conversation chooses
	refused  int  // of 1,000 that are TCP; see fate
	silent   int
	after    *service // opened when this one is over, between the same ends
	begun    int
}

const anyPort = 0

// Fates of TCP conversations in general, of 1,000 each: the port is closed, nobody answers.
const (
	usuallyRefused = 60
	usuallySilent  = 40
)

// stream, secret and so on are rows of the tables below.
func stream(weight int, port uint16, from, to []*host, talks ...[]turn) *service {
	return &service{weight: weight, proto: tcp, port: port, from: from, to: to, talks: talks, refused: usuallyRefused, silent: usuallySilent}
}

func datagram(weight int, port uint16, from, to []*host, talks ...[]turn) *service {
	return &service{weight: weight, proto: udp, port: port, from: from, to: to, talks: talks, silent: 10}
}

// names are DNS conversations about hosts of the network.
func names(n *network) [][]turn {
	var talks [][]turn
	for _, h := range n.of("win")[:200] {
		talks = append(talks, dns(h.name+".corp.example", h.four))
	}
	return talks
}

// mixed is a backup window: about one conversation in twenty is one that no document knows.
func mixed(n *network, h handshakes) []*service {
	sealed := func(parts ...[]turn) [][]turn {
		return [][]turn{script(h.current, script(parts...)), script(h.old, script(parts...))}
	}
	page, package0 := http("mp.corp.example", "/ccm_system/request", 3_000), http("dp.corp.example", "/sms_dp_smspkg/package", 120_000)
	bulk := func(least, most int) []turn { return []turn{asks("").sealed(least, most), answers("").sealed(20, 80)} }
	backups := slices.Concat(slices.Repeat(sealed(bulk(2_000, 30_000)), 9), sealed(bulk(60_000, 900_000))) // one in ten is a full one
	agents, members := n.of("win", "lin"), n.of("win", "ibm-win", "lab")
	protected := n.of("ibm-win", "ibm-lin")
	everybody := n.of("win", "lin", "ibm-win", "ibm-lin", "lab")
	lookup := datagram(2820, 53, everybody, n.of("dc"), names(n)...)
	lookup.numbered = true
	rpc := stream(0, 49667, nil, nil, called())
	find := stream(300, 135, members, n.of("dc"))
	find.of, find.after = map[*host][]turn{}, rpc
	for _, dc := range n.of("dc") {
		find.of[dc] = mapped(dc, rpc.port)
	}
	return []*service{
		lookup, find, rpc,
		datagram(350, 123, everybody, n.of("dc"), ntp()),
		datagram(250, 161, n.of("monitor"), everybody, snmp()),
		datagram(200, 514, everybody, n.of("syslog"), syslog()),
		datagram(200, 88, members, n.of("dc"), kerberos(false)),
		{weight: 150, proto: icmp, from: n.of("monitor"), to: everybody, talks: [][]turn{ping()}},
		{weight: 200, proto: arp, from: everybody, to: n.of("dc")},
		stream(400, 389, members, n.of("dc"), ldap()),
		stream(500, 88, members, n.of("dc"), kerberos(true)),
		stream(400, 445, members, n.of("dc"), smb(0), smb(1)),

		stream(400, 9876, agents, n.of("ams"), sealed(exchange(3, 600, 1200))...),
		stream(330, 9876, agents, n.of("node"), backups...),
		stream(100, 9876, n.of("ams"), agents, sealed(exchange(2, 400, 3000))...),
		stream(250, 2546, protected, n.of("vault"), backups...),
		stream(250, 8087, protected, n.of("portal"), sealed(exchange(2, 300, 500))...),
		stream(40, 2548, n.of("central"), protected, sealed(exchange(3, 300, 1500))...),

		stream(600, 443, members, n.of("mp"), sealed(exchange(2, 1200, 4000))...),
		stream(300, 80, members, n.of("mp"), page),
		stream(150, 10123, members, n.of("mp"), sealed(exchange(1, 200, 200))...),
		stream(100, 80, members, n.of("dp"), package0, page),
		stream(250, 8530, members, n.of("sup"), http("sup.corp.example:8530", "/ClientWebService/client.asmx", 16_000)),
		stream(60, 1433, n.of("site"), n.of("sql"), sealed(exchange(4, 800, 4000))...),
		stream(10, 445, n.of("site"), n.of("dp"), smb(6)),

		stream(400, 443, n.of("win"), n.of("vip"), sealed(exchange(2, 900, 2500))...),
		stream(150, 80, n.of("win"), n.of("vip"), http("lyncdiscover.corp.example", "/", 800)),
		stream(40, 5061, n.of("edge"), n.of("dir"), script(h.mutual, exchange(4, 900, 900))),
		stream(60, 444, n.of("dir"), n.of("fe"), sealed(exchange(3, 900, 900))...),

		stream(70, 443, n.of("box"), n.of("cloud"), sealed(bulk(8_000, 120_000))...),
		stream(20, 445, n.of("lab"), n.of("box"), smb(3)),
		stream(60, 443, n.of("lab"), n.of("box"), sealed(exchange(3, 700, 20_000))...),
		stream(150, 22, n.of("jump"), n.of("lin", "ibm-lin"), ssh(3000)),

		{weight: 120, proto: tcp, port: anyPort, from: n.of("guest")[:1], to: everybody, refused: 500, silent: 500}, // a port scan
		stream(60, 445, n.of("win"), n.of("ibm-win"), smb(1)),
		stream(50, 3389, n.of("win"), n.of("node"), sealed(exchange(5, 300, 3000))...),
		stream(90, 443, n.of("lin"), n.of("stranger"), sealed(exchange(2, 600, 9000))...),
		stream(40, 443, n.of("stranger"), n.of("vip"), sealed(exchange(1, 600, 3000))...),
		stream(40, 9876, agents, n.of("node"), http("node.corp.example", "/", 5000)), // in clear
		stream(40, 8080, n.of("guest"), n.of("vault"), http("vault.corp.example", "/admin", 3000)),
	}
}

// small is many short conversations in packets of 60 to 100 bytes.
func small(n *network) []*service {
	members, protected := n.of("win", "ibm-win", "lab"), n.of("ibm-win", "ibm-lin")
	everybody := n.of("win", "lin", "ibm-win", "ibm-lin", "lab")
	short := func(n int, ask, answer string) []turn {
		var s []turn
		for range n {
			s = append(s, asks(ask), answers(answer))
		}
		return s
	}
	var pages, searches, beats [][]turn
	for i := 1; i <= 4; i++ {
		pages = append(pages, short(i, "GET / HTTP/1.1\r\nHost: mp\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"))
		searches = append(searches, short(i, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"))
		beats = append(beats, short(i, "alive, no job\n", "alive, no plan\n"))
	}
	var lookups [][]turn
	for i := range 200 {
		lookups = append(lookups, dns(fmt.Sprintf("h%d.corp", i), [4]byte{172, 16, 20, byte(i)}))
	}
	lookup := datagram(3900, 53, everybody, n.of("dc"), lookups...)
	lookup.numbered = true
	closed := stream(1200, 389, members, n.of("dc"))
	closed.refused = 1000
	return []*service{
		lookup, closed,
		stream(1700, 389, members, n.of("dc"), searches...),
		stream(1600, 80, members, n.of("mp"), pages...),
		stream(1300, 8087, protected, n.of("portal"), beats...),
		{weight: 100, proto: tcp, port: anyPort, from: n.of("guest"), to: everybody, refused: 500, silent: 500},
		stream(200, 8080, n.of("lin"), n.of("vault"), pages...),
	}
}
