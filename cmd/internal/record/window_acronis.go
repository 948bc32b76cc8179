package main

import "slices"

var acronisRules = []string{"acronis-abr-11.5"}

// acronisHosts are the machines of both windows: a management server, agents of three generations of systems, one of them behind a translator.
func acronisHosts(extra ...host) []host {
	return append([]host{
		{name: "ams", addrs: "10.20.0.10/24", os: "windows"},
		{name: "console", addrs: "10.20.0.15/24", os: "windows"},
		{name: "licenses", addrs: "10.20.0.16/24", os: "windows"},
		{name: "node", addrs: "10.20.0.20/24 2001:db8:20::20/64", os: "windows"},
		{name: "vault", addrs: "10.20.0.25/24", os: "linux"},
		{name: "vcenter", addrs: "10.20.0.30/24", os: "linux"},
		{name: "win-1", addrs: "10.20.0.50/24", os: "windows"},
		{name: "win-2", addrs: "10.20.0.51/24", os: "windows"},
		{name: "lin-1", addrs: "10.20.0.52/24 2001:db8:20::52/64", os: "linux"},
		{name: "old-1", addrs: "10.20.0.53/24", os: "windows-pre-vista"},
		{name: "lin-2", addrs: "10.20.0.54/24", os: "linux"},
		{name: "appliance", addrs: "10.20.0.55/24", os: "appliance"},
		{name: "dns", addrs: "10.20.0.2/24", os: "linux"},
		{name: "jump", addrs: "10.20.0.3/24", os: "linux"},
		{name: "online", addrs: "198.51.100.40/24", os: "linux"},
		{name: "router", addrs: "10.20.0.99/24", os: "linux", nat: []string{"192.168.250.10/32"}},
		{name: "branch", addrs: "192.168.250.10/32", os: "windows", gw: "router"},
	}, extra...)
}

func acronisServices(more ...service) []service {
	return append([]service{
		listen("ams", "tls", 9876), listen("node", "tls", 9876), listen("licenses", "tls", 9876),
		listen("win-1", "tls", 9876), listen("win-1", "plain", 25001), smbd("win-1"),
		listen("lin-1", "tls", 9876), sshd("lin-1"), listen("old-1", "tls", 9876),
		vsftpd("vault"), listen("vcenter", "plain", 902), nginx("online", []int{80}, []int{443}, false),
		dnsmasq("dns", "ams.backup.example=10.20.0.10", "node.backup.example=10.20.0.20"), chronyd("dns"),
	}, more...)
}

var acronisAgents = []string{"win-1", "win-2", "lin-1", "old-1", "lin-2", "appliance"}

func acronisBaseline() []action {
	return slices.Concat(
		each(func(h string) action { return lookup(h, "dns", "ams.backup.example") }, acronisAgents...),
		[]action{clock("lin-1", "dns"), clock("appliance", "dns"), ssh("jump", "lin-1")},
	)
}

func acronisClean() *window {
	return &window{name: "acronis-clean", site: "acronis", rules: acronisRules, hosts: acronisHosts(),
		services: acronisServices(nginx("vcenter", nil, []int{443}, false)),
		actions: slices.Concat(acronisBaseline(),
			[]action{ // a push installation, then registration
				secure("console", "ams", 9876), smbPut("ams", "win-1"), tcp("ams", "win-1", 25001), ssh("ams", "lin-1"),
				secure("win-1", "licenses", 9876), secure("ams", "licenses", 9876), secure("console", "node", 9876),
			},
			each(func(h string) action { return secure(h, "ams", 9876) }, append(acronisAgents, "branch")...),
			each(func(h string) action { return secure("ams", h, 9876) }, "win-1", "lin-1", "old-1"),
			each(func(h string) action { return dial{from: h, to: "node", port: 9876, speak: "tls", rounds: 3} }, append(acronisAgents, "branch")...),
			[]action{
				dial{from: "lin-1", to: "node", port: 9876, speak: "tls", six: true},
				webs("appliance", "vcenter", 443), tcp("appliance", "vcenter", 902),
				webs("win-2", "online", 443), webs("branch", "online", 443),
				ftpPut("win-1", "vault"), ftpPut("lin-2", "vault"),
			}),
	}
}

func acronisDeviating() *window {
	return &window{name: "acronis-deviating", site: "acronis", rules: acronisRules,
		hosts: dropping(acronisHosts(host{name: "stranger", addrs: "10.20.0.200/24", os: "windows"}), "node", "ip saddr 10.20.0.54 tcp dport 9876"),
		services: acronisServices(listen("ams", "plain", 9877), listen("win-2", "tls", 9876), listen("win-2", "plain", 3389), listen("lin-2", "http", 9876),
			listen("vault", "plain", 8443)),
		before: []action{dial{from: "win-2", to: "node", port: 9876, speak: "tls", keep: "long"}},
		actions: slices.Concat(acronisBaseline(),
			[]action{more{keep: "long"}},
			each(func(h string) action { return secure(h, "ams", 9876) }, "lin-2", "appliance", "branch"),
			[]action{
				dial{from: "win-1", to: "ams", port: 9876, speak: "tls", sport: 20000},
				dial{from: "lin-1", to: "ams", port: 9876, speak: "tls", sport: 61500},
				dial{from: "old-1", to: "ams", port: 9876, speak: "tls", sport: 50000},
				secure("ams", "win-2", 9876), // the server reaches win-2, win-2 never reports
				dial{from: "win-1", to: "ams", port: 9877},
				secure("stranger", "ams", 9876),
				secure("node", "win-1", 9876),
				refused("appliance", "vcenter", 443), tcp("appliance", "vcenter", 902),
				dropped("lin-2", "node", 9876),
				web("ams", "lin-2", 9876), // the agent listens without TLS
				tcp("console", "win-2", 3389),
				tcp("lin-2", "vault", 8443),
				more{keep: "long"},
			},
			each(func(h string) action { return secure(h, "node", 9876) }, "win-1", "lin-1", "old-1", "appliance", "branch"),
			each(func(h string) action { return ftpPut(h, "vault") }, "win-1", "lin-2"),
			[]action{more{keep: "long", last: true}}),
		planted: []planted{
			deviation("source-port", "win-1", "ams", "tcp/9876", "acronis-abr-11.5/agent-registers"),
			deviation("source-port", "lin-1", "ams", "tcp/9876", "acronis-abr-11.5/agent-registers"),
			deviation("source-port", "old-1", "ams", "tcp/9876", "acronis-abr-11.5/agent-registers"),
			deviation("encryption", "ams", "lin-2", "tcp/9876", "acronis-abr-11.5/management-server-manages-agent"),
			deviation("originator", "node", "win-1", "tcp/9876", "acronis-abr-11.5/agent-storage-node"),
			unexpected("undocumented-service", "win-1", "ams", "tcp/9877", "next to 9876"),
			unexpected("unknown-host", "10.20.0.200", "ams", "tcp/9876", "inside the network, in no list"),
			unexpected("undocumented-service", "lin-2", "vault", "tcp/8443", "its exception has expired"),
			expectation("missing", "win-2", "tcp/9876", "acronis-abr-11.5/agent-registers", "never tried"),
			expectation("attempted", "appliance", "tcp/443", "acronis-abr-11.5/agent-vsphere-https", "refused"),
			expectation("attempted", "lin-2", "tcp/9876", "acronis-abr-11.5/agent-storage-node", "dropped by a filter"),
		},
		silent: []planted{
			excepted("console", "win-2", "tcp/3389", "its exception holds"),
			documented("win-2", "node", "tcp/9876", "acronis-abr-11.5/agent-storage-node", "ran before the capture: unverified"),
			documented("branch", "ams", "tcp/9876", "acronis-abr-11.5/agent-registers", "behind the declared translation"),
		},
	}
}
