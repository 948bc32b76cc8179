package main

import (
	"fmt"
	"slices"
	"strings"
)

var ibmRules = []string{"ibm-cloud-backup"}

// ibmHosts are protected servers, the portal and proxies at their documented addresses, a vault, and a branch behind a translator.
func ibmHosts(extra ...host) []host {
	amp := ""
	for i := range 8 {
		amp += fmt.Sprintf(" 10.2.118.%d/32", 12+i)
	}
	return append([]host{
		{name: "portal", addrs: "10.0.82.12/24", os: "linux"},
		{name: "amp", addrs: amp, os: "linux"},
		{name: "federal", addrs: "100.100.6.20/24", os: "linux"},
		{name: "later", addrs: "10.77.1.5/24", os: "linux"},
		{name: "srv-1", addrs: "172.20.0.11/24", os: "windows"},
		{name: "srv-2", addrs: "172.20.0.12/24", os: "linux"},
		{name: "srv-3", addrs: "172.20.0.13/24", os: "windows-pre-vista"},
		{name: "gov-1", addrs: "172.20.1.11/24", os: "linux"},
		{name: "desk", addrs: "172.20.0.50/24", os: "windows"},
		{name: "vault", addrs: "172.21.0.10/24", os: "linux"},
		{name: "dns", addrs: "172.20.0.2/24", os: "linux"},
		{name: "router", addrs: "172.20.9.1/24", os: "linux", nat: []string{"192.168.250.20/32"}},
		{name: "branch", addrs: "192.168.250.20/32", os: "windows", gw: "router"},
	}, extra...)
}

// ibmServices answers the documented names with the documented addresses, and one with another where moved says NAME=ADDRESS.
func ibmServices(moved string, more ...service) []service {
	names := []string{"ev-webcc01.service.softlayer.com=10.0.82.12", "evregister.service.softlayer.com=10.0.82.12", "webcc.service.usgov.softlayer.com=100.100.6.20"}
	for i := range 8 {
		names = append(names, fmt.Sprintf("evwebamp090%d.service.softlayer.com=10.2.118.%d", i+1, 12+i))
	}
	if name, _, ok := strings.Cut(moved, "="); ok {
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, name+"=") })
		names = append(names, moved)
	}
	return append([]service{
		listen("portal", "tls", 8086, 8087), listen("amp", "tls", 8086, 8087), listen("federal", "tls", 8086, 8087), listen("later", "tls", 8087),
		listen("vault", "tls", 2546), listen("srv-1", "tls", 2548), listen("srv-2", "tls", 808), dnsmasq("dns", names...),
	}, more...)
}

// named opens a TLS connection under the documented name.
func named(from, to string, port int, name string) dial {
	return dial{from: from, to: to, port: port, speak: "tls", name: name + ".softlayer.com"}
}

func ibmClean() *window {
	actions := []action{
		lookup("srv-1", "dns", "evregister.service.softlayer.com"), lookup("srv-2", "dns", "evwebamp0901.service.softlayer.com"),
		lookup("gov-1", "dns", "webcc.service.usgov.softlayer.com"), lookup("srv-3", "dns", "ev-webcc01.service.softlayer.com"),
		named("srv-1", "portal", 8086, "evregister.service"), named("srv-2", "portal", 8086, "ev-webcc01.service"),
		named("srv-1", "portal", 8087, "ev-webcc01.service"), named("srv-3", "portal", 8087, "ev-webcc01.service"),
		named("gov-1", "federal", 8086, "webcc.service.usgov"), named("gov-1", "federal", 8087, "webcc.service.usgov"),
		named("gov-1", "portal", 8087, "ev-webcc01.service"),
		named("branch", "portal", 8087, "ev-webcc01.service"),
		secure("srv-1", "later", 8087), // a proxy that the document does not list yet
		secure("srv-1", "10.2.118.12", 8086),
		secure("desk", "srv-1", 2548), secure("portal", "srv-1", 2548), secure("desk", "srv-2", 808),
	}
	for i := range 8 {
		actions = append(actions, named("srv-2", fmt.Sprintf("10.2.118.%d", 12+i), 8087, fmt.Sprintf("evwebamp090%d.service", i+1)))
	}
	return &window{name: "ibm-clean", site: "ibm", rules: ibmRules, hosts: ibmHosts(), services: ibmServices(""),
		actions: slices.Concat(actions, each(func(h string) action { return dial{from: h, to: "vault", port: 2546, speak: "tls", rounds: 4} }, "srv-1", "srv-2", "srv-3", "gov-1", "branch"))}
}

func ibmDeviating() *window {
	pack := "ibm-cloud-backup/"
	return &window{name: "ibm-deviating", site: "ibm", rules: ibmRules,
		hosts:    dropping(ibmHosts(host{name: "stranger", addrs: "172.20.0.99/24", os: "linux"}), "portal", "ip saddr 172.20.0.13 tcp dport 8087"),
		services: ibmServices("evwebamp0905.service.softlayer.com=10.77.1.5", listen("portal", "plain", 8088), listen("desk", "tls", 2548), listen("vault", "plain", 22), listen("dns", "plain", 2222)),
		before:   []action{dial{from: "srv-1", to: "vault", port: 2546, speak: "tls", keep: "backup"}},
		actions: []action{
			lookup("srv-1", "dns", "evregister.service.softlayer.com"), lookup("srv-3", "dns", "ev-webcc01.service.softlayer.com"),
			more{keep: "backup"},
			dial{from: "srv-1", to: "portal", port: 8087, speak: "tls", sport: 20000, name: "ev-webcc01.service.softlayer.com"},
			dial{from: "srv-2", to: "10.2.118.14", port: 8087, speak: "tls", sport: 61500, name: "evwebamp0903.service.softlayer.com"},
			dropped("srv-3", "portal", 8087), dial{from: "srv-3", to: "vault", port: 2546, speak: "tls", sport: 50000},
			named("gov-1", "federal", 8087, "webcc.service.usgov"), // and never the commercial portal
			named("branch", "portal", 8087, "ev-webcc01.service"),
			lookup("srv-2", "dns", "evwebamp0905.service.softlayer.com"), named("srv-2", "later", 8087, "evwebamp0905.service"),
			secure("desk", "srv-1", 2548),
			secure("srv-1", "desk", 2548),
			tcp("srv-1", "portal", 8088),
			named("stranger", "portal", 8087, "ev-webcc01.service"),
			secure("gov-1", "vault", 2546), refused("srv-2", "vault", 2547), secure("srv-2", "vault", 2546), secure("branch", "vault", 2546),
			tcp("desk", "vault", 22), tcp("desk", "dns", 2222),
			more{keep: "backup", last: true},
		},
		planted: []planted{
			deviation("source-port", "srv-1", "10.0.82.12", "tcp/8087", pack+"agent-amp-commercial"),
			deviation("source-port", "srv-2", "10.2.118.14", "tcp/8087", pack+"agent-amp-commercial"),
			deviation("source-port", "srv-3", "vault", "tcp/2546", pack+"agent-backs-up-to-vault"),
			deviation("originator", "srv-1", "desk", "tcp/2548", pack+"central-control-manages-agent"),
			unexpected("undocumented-service", "srv-1", "10.0.82.12", "tcp/8088", ""),
			unexpected("unknown-host", "172.20.0.99", "10.0.82.12", "tcp/8087", ""),
			unexpected("undocumented-service", "desk", "dns", "tcp/2222", "its exception has expired"),
			expectation("attempted", "srv-3", "tcp/8087", pack+"agent-amp-commercial", "dropped by a filter"),
			expectation("missing", "gov-1", "tcp/8087", pack+"agent-amp-commercial", "never tried"),
		},
		silent: []planted{
			excepted("desk", "vault", "tcp/22", "its exception holds"),
			unexpected("undocumented-service", "srv-2", "vault", "tcp/2547", "refused, so it does not decide"),
			documented("srv-2", "10.77.1.5", "tcp/8087", pack+"agent-amp-commercial", "by its name; the document has another address"),
			line("name-drift", "documented", "", "", "10.77.1.5", "", "", "DNS gives a documented name another address"),
			documented("branch", "10.0.82.12", "tcp/8087", pack+"agent-amp-commercial", "behind the declared translation"),
			documented("srv-1", "vault", "tcp/2546", pack+"agent-backs-up-to-vault", "ran before the capture: unverified"),
		},
	}
}
