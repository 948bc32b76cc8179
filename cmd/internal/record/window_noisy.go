package main

import (
	"encoding/hex"
	"fmt"
	"time"
)

var noisyRules = []string{"acronis-abr-11.5"}

func noisyHosts() []host {
	hosts := []host{
		{name: "ams", addrs: "10.50.0.10/24", os: "windows"},
		{name: "node", addrs: "10.50.0.20/24", os: "windows"},
		{name: "dc", addrs: "10.50.0.2/24", os: "windows"},
		{name: "net", addrs: "10.50.0.3/24", os: "linux"},
		{name: "watch", addrs: "10.50.0.4/24", os: "linux"},
		{name: "jump", addrs: "10.50.0.5/24", os: "linux"},
	}
	for i := range 8 {
		hosts = append(hosts, host{name: fmt.Sprintf("win-%d", i+1), addrs: fmt.Sprintf("10.50.0.%d/24", 51+i), os: "windows"})
	}
	for i := range 4 {
		hosts = append(hosts, host{name: fmt.Sprintf("lin-%d", i+1), addrs: fmt.Sprintf("10.50.0.%d/24 2001:db8:50::%d/64", 71+i, 71+i), os: "linux"})
	}
	return hosts
}

var (
	noisyWindows = []string{"win-1", "win-2", "win-3", "win-4", "win-5", "win-6", "win-7", "win-8"}
	noisyLinux   = []string{"lin-1", "lin-2", "lin-3", "lin-4"}
)

func noisyServices() []service {
	out := []service{
		listen("ams", "tls", 9876), listen("ams", "plain", 9999), listen("node", "tls", 9876),
		listen("dc", "plain", 88, 389, 464, 3268), listen("dc", "tls", 636), listen("dc", "udp", 88, 389), smbd("dc"), endpointMapper("dc"),
		dnsmasq("net", "ams.backup.example=10.50.0.10", "dc.backup.example=10.50.0.2"), chronyd("net"),
		addressServer("net", "10.50.0.200", "10.50.0.209", "none"), listen("watch", "udp-silent", 514, 162),
	}
	for _, h := range append(noisyWindows, noisyLinux...) {
		out = append(out, listen(h, "udp", 161), listen(h, "plain", 10050))
	}
	return append(out, sshd("lin-1"), sshd("lin-2"))
}

func noisy() *window {
	var actions []action
	for range 2 {
		actions = append(actions, noisyRound()...)
	}
	for _, h := range append(noisyWindows, noisyLinux...) {
		if h == "win-5" { // never reports
			continue
		}
		d := dial{from: h, to: "ams", port: 9876, speak: "tls"}
		if h == "lin-2" {
			d.sport = 20000
		}
		actions = append(actions, d)
	}
	actions = append(actions, dial{from: "win-3", to: "ams", port: 9999, speak: "plain"})
	actions = append(actions, each(func(h string) action { return dial{from: h, to: "node", port: 9876, speak: "tls"} }, append(noisyWindows, noisyLinux...)...)...)
	actions = append(actions, rpc("win-1", "dc"), rpc("win-2", "dc"), smbPut("win-1", "dc"), ssh("jump", "lin-1"), ssh("jump", "lin-2"))
	return &window{name: "noisy", site: "noisy", rules: noisyRules, hosts: noisyHosts(), services: noisyServices(), pace: 8 * time.Millisecond, actions: actions,
		planted: []planted{
			unexpected("undocumented-service", "win-3", "ams", "tcp/9999", ""),
			deviation("source-port", "lin-2", "ams", "tcp/9876", "acronis-abr-11.5/agent-registers"),
			expectation("missing", "win-5", "tcp/9876", "acronis-abr-11.5/agent-registers", "never tried"),
		},
	}
}

// noisyRound is the platform traffic of every member, once.
func noisyRound() []action {
	var out []action
	for _, h := range append(append([]string(nil), noisyWindows...), noisyLinux...) {
		out = append(out,
			datagram{from: h, to: "net", port: 53, payload: question(1, "ams", "backup", "example"), answered: true},
			datagram{from: h, to: "net", port: 123, payload: timeRequest(), answered: true},
			datagram{from: "watch", to: h, port: 161, payload: getDescription, answered: true},
			echo{from: "watch", to: h}, dial{from: "watch", to: h, port: 10050, speak: "plain"},
			datagram{from: h, to: "watch", port: 514, payload: []byte("<13>backup: window open")})
	}
	for _, h := range noisyWindows {
		out = append(out,
			datagram{from: h, to: "dc", port: 88, answered: true}, tcp(h, "dc", 88), datagram{from: h, to: "dc", port: 389, answered: true},
			tcp(h, "dc", 389), secure(h, "dc", 636), tcp(h, "dc", 3268),
			datagram{from: h, to: "224.0.0.252", port: 5355, payload: question(2, h)},
			datagram{from: h, to: "224.0.0.251", port: 5353, sport: 5353, payload: question(0, h, "local")},
			datagram{from: h, to: "10.50.0.255", port: 137, sport: 137}, datagram{from: h, to: "10.50.0.255", port: 138, sport: 138},
			datagram{from: h, to: "239.255.255.250", port: 1900, payload: []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n")})
	}
	out = append(out, each(func(h string) action { return renewal{h, "net"} }, noisyWindows...)...)
	return append(out, datagram{from: "lin-1", to: "ff02::fb", port: 5353, sport: 5353, six: true, payload: question(0, "lin-1", "local")})
}

// question is a DNS query for an address (RFC 1035, 4.1).
func question(id byte, labels ...string) []byte {
	b := []byte{0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0, 0, 1, 0, 1)
}

// timeRequest is an NTP version 4 packet of mode 3 (RFC 5905, 7.3).
func timeRequest() []byte {
	b := make([]byte, 48)
	b[0] = 0x23
	return b
}

// getDescription asks for sysDescr.0 by SNMP version 2c with the community "public" (RFC 3416).
var getDescription, _ = hex.DecodeString("302602010104067075626c6963a019020101020100020100300e300c06082b060102010101000500")
