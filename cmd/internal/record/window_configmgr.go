package main

import "slices"

var configmgrRules = []string{"configmgr-2012"}

// configmgrHosts are a primary site with its systems and clients; newborn boots from the network and has no address until it asks.
func configmgrHosts(extra ...host) []host {
	return append([]host{
		{name: "site", addrs: "10.40.0.10/24", os: "windows"},
		{name: "sql", addrs: "10.40.0.11/24", os: "windows"},
		{name: "mp", addrs: "10.40.0.12/24", os: "windows"},
		{name: "dp", addrs: "10.40.0.13/24", os: "windows"},
		{name: "sup", addrs: "10.40.0.14/24", os: "windows"},
		{name: "fsp", addrs: "10.40.0.15/24", os: "windows"},
		{name: "reports", addrs: "10.40.0.16/24", os: "windows"},
		{name: "provider", addrs: "10.40.0.17/24", os: "windows"},
		{name: "console", addrs: "10.40.0.18/24", os: "windows"},
		{name: "dc", addrs: "10.40.0.2/24", os: "windows"},
		{name: "updates", addrs: "198.51.100.80/24", os: "linux"},
		{name: "pc-1", addrs: "10.40.0.101/24 2001:db8:40::101/64", os: "windows"},
		{name: "pc-2", addrs: "10.40.0.102/24 2001:db8:40::102/64", os: "windows"},
		{name: "pc-3", addrs: "10.40.0.103/24", os: "windows-pre-vista"},
		{name: "newborn", os: "windows"},
	}, extra...)
}

func configmgrServices(more ...service) []service {
	return append([]service{
		listen("sql", "plain", 1433), nginx("mp", []int{80}, []int{443}, false), listen("mp", "plain", 10123), smbd("mp"), endpointMapper("mp"),
		nginx("dp", []int{80}, []int{443}, false), addressServer("dp", "10.40.0.150", "10.40.0.159", "boot.n12"), listen("dp", "udp", 4011),
		nginx("fsp", []int{80}, nil, false), nginx("reports", []int{80}, nil, false), smbd("site"), endpointMapper("site"),
		smbd("provider"), endpointMapper("provider"), listen("pc-1", "plain", 2701, 3389), listen("pc-1", "udp-silent", 9, 25536),
		listen("dc", "plain", 389, 3268), dnsmasq("dc", "mp.backup.example=10.40.0.12"), nginx("updates", []int{80}, nil, false),
	}, more...)
}

var configmgrClients = []string{"pc-1", "pc-2", "pc-3"}

// configmgrRound is what happens in every cycle, whatever else does.
func configmgrRound(clients ...string) []action {
	return slices.Concat(
		each(func(h string) action { return lookup(h, "dc", "mp.backup.example") }, configmgrClients...),
		each(func(h string) action { return webs(h, "mp", 443) }, clients...),
		each(func(h string) action { return dial{from: h, to: "mp", port: 10123, rounds: 2} }, configmgrClients...),
		each(func(h string) action { return tcp(h, "sql", 1433) }, "site", "provider", "reports"),
	)
}

func configmgrClean() *window {
	return &window{name: "configmgr-clean", site: "configmgr", rules: configmgrRules, hosts: configmgrHosts(),
		services: configmgrServices(nginx("sup", []int{8530}, []int{8531}, false)),
		actions: slices.Concat(configmgrRound(configmgrClients...), []action{
			tcp("mp", "sql", 1433), smbPut("mp", "site"), rpc("mp", "site"), tcp("mp", "dc", 389), tcp("mp", "dc", 3268),
			smbPut("site", "mp"), rpc("site", "mp"), web("site", "sup", 8530), web("sup", "updates", 80), web("site", "updates", 80),
			rpc("console", "provider"), smbPut("site", "provider"), rpc("site", "provider"), web("console", "reports", 80),
			tcp("console", "pc-1", 2701), tcp("console", "pc-1", 3389),
			webs("dp", "mp", 443), web("pc-2", "fsp", 80), tcp("pc-1", "dc", 3268),
			webs("pc-1", "dp", 443), webs("pc-2", "dp", 443),
			web("pc-1", "sup", 8530), webs("pc-1", "sup", 8531), web("pc-3", "sup", 8530),
			datagram{from: "site", to: "pc-1", port: 9, payload: magicPacket()},
			datagram{from: "pc-2", to: "10.40.0.255", port: 9, payload: magicPacket()},
			datagram{from: "pc-2", to: "10.40.0.255", port: 25536},
			echo{from: "pc-2", to: "pc-1", count: 2}, echo{from: "pc-2", to: "pc-1", six: true, count: 2},
			lease{from: "newborn", pxe: true}, udp("newborn", "dp", 4011),
			call("newborn", "tftp", "-m", "binary", "{dp}", "-c", "get", "boot.n12", "{dir}/boot.n12"),
			webs("newborn", "mp", 443), dial{from: "newborn", to: "mp", port: 10123},
		}),
	}
}

func configmgrDeviating() *window {
	pack := "configmgr-2012/"
	return &window{name: "configmgr-deviating", site: "configmgr", rules: configmgrRules,
		hosts: dropping(configmgrHosts(host{name: "stranger", addrs: "10.40.0.201/24", os: "windows"}), "sql", "ip saddr 10.40.0.12 tcp dport 1433"),
		services: configmgrServices(nginx("sup", []int{8530}, []int{443}, false), listen("site", "plain", 1433), listen("pc-2", "plain", 5900),
			listen("provider", "plain", 50123), listen("dp", "plain", 8080)),
		before: []action{dial{from: "pc-3", to: "mp", port: 10123, keep: "notify"}},
		actions: slices.Concat(configmgrRound("pc-1", "pc-3"), []action{
			more{keep: "notify"},
			lease{from: "newborn", pxe: true}, udp("newborn", "dp", 4011),
			call("newborn", "tftp", "-m", "binary", "{dp}", "-c", "get", "boot.n12", "{dir}/boot.n12"),
			webs("newborn", "mp", 443), dial{from: "newborn", to: "mp", port: 10123},
			web("pc-1", "sup", 8530), webs("pc-2", "sup", 443), // 8530 goes with 8531
			dropped("mp", "sql", 1433), smbPut("mp", "site"), rpc("mp", "site"),
			tcp("sql", "site", 1433),
			tcp("pc-1", "sql", 1433),
			dial{from: "pc-2", to: "dp", port: 443, speak: "https", sport: 20000},
			web("pc-1", "dp", 443),            // nginx answers 400: this port wants TLS
			tcp("console", "provider", 50123), // no endpoint mapper was asked
			tcp("stranger", "dp", 8080),
			tcp("console", "pc-2", 5900), tcp("site", "dp", 8080),
			rpc("site", "provider"),
			datagram{from: "site", to: "pc-1", port: 9, payload: magicPacket()},
			more{keep: "notify", last: true},
		}),
		planted: []planted{
			{kind: "coupled-ports", verdict: "deviation", resp: "sup", proto: "tcp", port: "8530,443", flow: pack + "client-https-software-update-point", note: "8530 goes with 8531"},
			expectation("attempted", "mp", "tcp/1433", pack+"management-point-sql-sql-server", "dropped by a filter"),
			deviation("originator", "sql", "site", "tcp/1433", pack+"site-server-sql-sql-server"),
			unexpected("wrong-roles", "pc-1", "sql", "tcp/1433", "clients do not talk to the database"),
			deviation("encryption", "pc-1", "dp", "tcp/443", pack+"client-https-distribution-point"),
			deviation("source-port", "pc-2", "dp", "tcp/443", pack+"client-https-distribution-point"),
			unexpected("unknown-host", "10.40.0.201", "dp", "tcp/8080", ""),
			unexpected("undocumented-service", "site", "dp", "tcp/8080", "its exception has expired"),
			expectation("missing", "pc-2", "tcp/443", pack+"client-https-management-point", "never tried"),
		},
		silent: []planted{
			line("connection", "indeterminate", "unannounced", "console", "provider", "tcp/50123", pack+"console-rpc-sms-provider", "the endpoint mapper may have been asked before the capture"),
			excepted("console", "pc-2", "tcp/5900", "its exception holds"),
			documented("pc-3", "mp", "tcp/10123", pack+"client-notification-management-point", "ran before the capture: unverified"),
		},
	}
}

// magicPacket wakes the machine with the recorder's last hardware address.
func magicPacket() []byte {
	b := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for range 16 {
		b = append(b, 2, 0, 0x5e, 0x10, 0xff, 1)
	}
	return b
}
