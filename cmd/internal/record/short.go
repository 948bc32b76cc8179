package main

import (
	"slices"
	"strings"
)

// The windows are written in these words.

func tcp(from, to string, port int) dial { return dial{from: from, to: to, port: port, speak: "plain"} }
func secure(from, to string, port int) dial {
	return dial{from: from, to: to, port: port, speak: "tls"}
}
func web(from, to string, port int) dial { return dial{from: from, to: to, port: port, speak: "http"} }
func webs(from, to string, port int) dial {
	return dial{from: from, to: to, port: port, speak: "https"}
}
func refused(from, to string, port int) dial {
	return dial{from: from, to: to, port: port, fails: "refused"}
}
func dropped(from, to string, port int) dial {
	return dial{from: from, to: to, port: port, fails: "unanswered"}
}
func udp(from, to string, port int) datagram {
	return datagram{from: from, to: to, port: port, answered: true}
}

// lookup asks a host's dnsmasq for a name.
func lookup(from, server, name string) tool {
	return call(from, "dig", "+short", "+tries=1", "+time=2", "@{"+server+"}", name)
}

// clock asks a host's chronyd for the time and sets nothing.
func clock(from, server string) tool {
	return call(from, "chronyd", "-Q", "-x", "-t", "4", "-f", "/dev/null", "server {"+server+"} iburst maxsamples 1")
}

// unexpected, deviation, expectation, excepted and documented are lines of a window's list.
func unexpected(why, orig, resp, service, note string) planted {
	return line("connection", "unexpected", why, orig, resp, service, "", note)
}
func deviation(why, orig, resp, service, flow string) planted {
	return line("connection", "deviation", why, orig, resp, service, flow, "")
}
func expectation(status, orig, service, flow, note string) planted {
	return line("expectation", status, "", orig, "", service, flow, note)
}
func excepted(orig, resp, service, note string) planted {
	return line("connection", "excepted", "", orig, resp, service, "", note)
}
func documented(orig, resp, service, flow, note string) planted {
	return line("connection", "documented", "", orig, resp, service, flow, note)
}

func line(kind, verdict, why, orig, resp, service, flow, note string) planted {
	proto, port, _ := strings.Cut(service, "/")
	return planted{kind: kind, verdict: verdict, why: why, orig: orig, resp: resp, proto: proto, port: port, flow: flow, note: note}
}

// each repeats an action for several hosts.
func each(f func(string) action, hosts ...string) []action {
	var out []action
	for _, h := range hosts {
		out = append(out, f(h))
	}
	return out
}

// dropping gives a host a packet filter that drops what matches.
func dropping(hosts []host, name, match string) []host {
	i := slices.IndexFunc(hosts, func(h host) bool { return h.name == name })
	hosts[i].nft = "chain in { type filter hook input priority 0; " + match + " drop; }"
	return hosts
}
