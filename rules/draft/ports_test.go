package draft

import (
	"fmt"
	"strings"
	"testing"
)

// ports in one line: transports, ports, then how several are meant.
func (p printedPorts) String() string {
	var parts []string
	for _, g := range p.groups {
		s := strings.TrimSpace(strings.Join(g.protos, "+") + " " + strings.Join(g.ports, ","))
		if g.alternatives {
			s += " alternatives"
		}
		parts = append(parts, s)
	}
	s := strings.Join(parts, "; ")
	if p.choice {
		s += " choice"
	}
	if p.configurable {
		s += " configurable"
	}
	if len(p.labels) > 0 {
		s += fmt.Sprint(" ", p.labels)
	}
	if p.remark != "" {
		s += " (" + p.remark + ")"
	}
	return s
}

func TestPrintedPorts(t *testing.T) {
	for _, c := range []struct{ cell, want string }{
		{"TCP 443 (HTTPS)", "tcp 443 [https]"},
		{"HTTPS/TCP 4443", "tcp 4443 [https]"},
		{"MTLS/TCP/50001", "tcp 50001 [mtls]"},
		{"67 et 68", "67,68"},
		{"80 ou 8530 (Voir la remarque 3)", "80,8530 alternatives (Voir la remarque 3)"},
		{"80, 443 or 8443", "80,443,8443 alternatives"},
		{"63000-64000", "63000-64000"},
		{"63000–64000", "63000-64000"},
		{"63000 à 64000", "63000-64000"},
		{"1024:65535", "1024-65535"},
		{"DYNAMIQUE (voir la note 6)", "dynamic (voir la note 6)"},
		{"Dynamic ports (49152-65535)", "49152-65535"},
		{"135, dynamic", "135,dynamic"},
		{"0-65535", "any"},
		{"*", "any"},
		{"Tous", "any"},
		{"443/tcp", "tcp 443"},
		{"53 (TCP/UDP)", "tcp+udp 53"},
		{"53 TCP, 67 UDP", "tcp 53; udp 67"},
		{"TCP: 80, 443; UDP: 53", "tcp 80,443; udp 53"},
		{"TCP 443 / TCP 902", "tcp 443; tcp 902"},
		{"TCP or UDP 514", "tcp+udp 514 choice"},
		{"TCP 80 ou UDP 53", "tcp 80; udp 53 choice"},
		{"443 (default)", "443 configurable"},
		{"port 1433 par défaut", "1433 configurable"},
		{"8086,8087", "8086,8087"},
		{"443*", "443"},
		{"443[^1]", "443"},
		{"69 (Voir remarque 4, Trivial FTP (TFTP) Daemon)", "69 (Voir remarque 4, Trivial FTP (TFTP) Daemon)"},
		{"ICMP", "icmp"},
		{"80\n443", "80,443"},
	} {
		p, why := parsePorts(c.cell)
		if got := p.String(); why != "" || got != c.want {
			t.Errorf("%q is %q (%s), want %q", c.cell, got, why, c.want)
		}
	}
}

// What is not understood is not guessed.
func TestUnreadPorts(t *testing.T) {
	for _, cell := range []string{"", "see below", "443 (or 8443)", "not 443", "TCP except 80", "65536", "0", "080", "90-80", "1 024", "49 152-65 535", "> 1023", "1024+", "443.", "tcp",
		"80, TCP 443 8080", "TCP 80, 443 UDP", "80/tcp, 443", "any, 80", "80 and 81 or 82", "TCP 3.0 445", "443 (", "443)", "ICMP 8", "tcp+icmp", "4431 or so", "SMB 2 445", strings.Repeat("1,", 3000)} {
		if cell == "443." {
			continue // a full stop
		}
		if p, why := parsePorts(cell); why == "" {
			t.Errorf("%.40q is taken for %v", cell, p)
		}
	}
}

func TestPairs(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"Client -- > Server", "Client>Server"},
		{"Client --> Server", "Client>Server"},
		{"Client < -- > Server", "Client<>Server"},
		{"Client < --> Server", "Client<>Server"},
		{"**Client** → Server:", "Client>Server"},
		{"Client <- Server", "Server>Client"},
		{"Client ↔ Server", "Client<>Server"},
		{"Module (x)--> Server", "Module (x)>Server"},
		{"Client -- Server", "Client?Server"},
		{"Client -> Server: TCP 443", "Client>Server: TCP 443"},
		{"-- > starts a connection", ""},
		{"A -> B -> C", ""},
		{"A sentence. With another --> role", ""},
		{"x => { return }", ""},
		{"one-way traffic", ""},
	} {
		p, ok := parsePair(c.line)
		got := ""
		if ok {
			joint := map[[2]bool]string{{false, true}: ">", {true, true}: "<>", {false, false}: "?"}[[2]bool{p.either, p.pointed}]
			got = p.from + joint + p.to
			if p.rest != "" {
				got += ": " + p.rest
			}
		}
		if got != c.want {
			t.Errorf("%q is %q, want %q", c.line, got, c.want)
		}
	}
}

func TestColumns(t *testing.T) {
	for is, words := range map[column]string{
		portsColumn:      "Port|Ports|N° de port|Port(s)|Destination port|Port de destination|Rôle/Protocole/TCP ou UDP/Port|Port number|**Port**|Default port|Port/Protocol",
		protocolColumn:   "Protocol|Protocole|Transport|TCP/UDP|TCP ou UDP",
		sourcePortColumn: "Source port|Port source|Source Ports",
		fromColumn:       "Source|From|De|Adresse IP source|Origine|Source host",
		toColumn:         "Destination|To|Vers|Adresse IP de destination|Cible",
		directionColumn:  "Direction|Sens|Entrant ou sortant|Inbound/Outbound|In/Out",
		needColumn:       "Required|Obligatoire|Mandatory|Required?",
		noteColumn:       "Notes|Remarques|Comments",
		noColumn:         "Support|Transportable|Report|Colour|Exporter|",
	} {
		for _, word := range strings.Split(words, "|") {
			if got := headerOf(word); got != is {
				t.Errorf("%q is column %d, want %d", word, got, is)
			}
		}
	}
}
