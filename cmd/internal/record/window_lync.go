package main

var lyncRules = []string{"lync-2013-director"}

// lyncHosts are a pool of two Directors behind the virtual address of a load balancer, which is a host of its own here.
func lyncHosts(extra ...host) []host {
	return append([]host{
		{name: "vip", addrs: "10.30.0.100/24 2001:db8:30::100/64", os: "windows"},
		{name: "dir-1", addrs: "10.30.0.11/24", os: "windows"},
		{name: "dir-2", addrs: "10.30.0.12/24", os: "windows"},
		{name: "fe-1", addrs: "10.30.0.21/24", os: "windows"},
		{name: "fe-2", addrs: "10.30.0.22/24", os: "windows"},
		{name: "edge", addrs: "10.30.0.31/24", os: "windows"},
		{name: "proxy", addrs: "10.30.0.41/24", os: "linux"},
		{name: "pc-1", addrs: "10.30.0.101/24 2001:db8:30::101/64", os: "windows"},
		{name: "pc-2", addrs: "10.30.0.102/24", os: "windows-pre-vista"},
		{name: "dns", addrs: "10.30.0.2/24", os: "linux"},
	}, extra...)
}

func lyncServices(more ...service) []service {
	return append([]service{
		nginx("vip", []int{80, 8080}, []int{443, 4443}, false), turnRound("vip", 5061),
		nginx("fe-1", []int{8080}, []int{444, 4443}, false), turnRound("fe-1", 5061),
		listen("dir-1", "mtls", 50001, 50002, 50003), listen("dir-2", "mtls", 50001, 50002, 50003),
		dnsmasq("dns", "vip.backup.example=10.30.0.100"),
	}, more...)
}

func sip(from, to string) dial { return dial{from: from, to: to, port: 5061, speak: "rev", rounds: 3} }

func lyncClean() *window {
	return &window{name: "lync-clean", site: "lync", rules: lyncRules, hosts: lyncHosts(),
		services: lyncServices(turnRound("edge", 5061), nginx("fe-2", []int{8080}, []int{444, 4443}, false)),
		actions: []action{
			lookup("pc-1", "dns", "vip.backup.example"), lookup("edge", "dns", "vip.backup.example"),
			web("proxy", "vip", 8080), webs("proxy", "vip", 4443), web("proxy", "fe-1", 8080), webs("proxy", "fe-1", 4443),
			webs("dir-1", "fe-1", 444), webs("dir-1", "fe-2", 444), webs("dir-2", "fe-2", 444), webs("vip", "fe-1", 444),
			web("pc-1", "vip", 80), webs("pc-1", "vip", 443), web("pc-2", "vip", 80), webs("pc-2", "vip", 443),
			dial{from: "pc-1", to: "vip", port: 443, speak: "https", six: true},
			sip("edge", "vip"), sip("edge", "fe-1"), sip("dir-1", "edge"), sip("dir-2", "edge"), sip("fe-1", "edge"),
			secure("fe-1", "dir-1", 50001), secure("fe-1", "dir-1", 50002), secure("fe-1", "dir-1", 50003), secure("pc-1", "dir-2", 50001),
		},
	}
}

func lyncDeviating() *window {
	pack := "lync-2013-director/"
	return &window{name: "lync-deviating", site: "lync", rules: lyncRules,
		hosts:    lyncHosts(host{name: "stranger", addrs: "10.30.0.77/24", os: "linux"}),
		services: lyncServices(listen("edge", "mtls", 5061), nginx("dir-1", nil, []int{443, 444}, false), listen("fe-2", "plain", 8089), listen("fe-1", "plain", 8089), listen("vip", "plain", 8888)),
		before:   []action{dial{from: "fe-1", to: "edge", port: 5061, speak: "tls", keep: "calls"}},
		actions: []action{
			lookup("pc-1", "dns", "vip.backup.example"), lookup("edge", "dns", "vip.backup.example"),
			more{keep: "calls"},
			webs("dir-1", "fe-1", 444), refused("dir-2", "fe-2", 444), secure("dir-2", "edge", 5061),
			webs("pc-1", "vip", 443), // and past the load balancer:
			webs("pc-1", "dir-1", 443),
			webs("fe-1", "dir-1", 444),
			web("pc-1", "vip", 443), // nginx answers 400: this port wants TLS
			dial{from: "pc-2", to: "vip", port: 80, speak: "http", sport: 50000},
			dial{from: "proxy", to: "vip", port: 8080, speak: "http", sport: 61500},
			webs("stranger", "vip", 443),
			secure("stranger", "dir-1", 50001), // anybody may
			tcp("pc-1", "vip", 8888),
			tcp("dir-1", "fe-1", 8089), tcp("dir-1", "fe-2", 8089),
			secure("dir-1", "edge", 5061), webs("edge", "vip", 4443),
			more{keep: "calls", last: true},
		},
		planted: []planted{
			expectation("missing", "edge", "tcp/5061", pack+"edge-sip-director", "never tried"),
			expectation("attempted", "dir-2", "tcp/444", pack+"director-https-front-end", "refused"),
			unexpected("wrong-roles", "pc-1", "dir-1", "tcp/443", "past the load balancer"),
			deviation("originator", "fe-1", "dir-1", "tcp/444", pack+"director-https-front-end"),
			deviation("encryption", "pc-1", "vip", "tcp/443", pack+"client-https-director"),
			deviation("source-port", "pc-2", "vip", "tcp/80", pack+"client-http-director"),
			deviation("source-port", "proxy", "vip", "tcp/8080", pack+"reverse-proxy-http-director"),
			unexpected("unknown-host", "10.30.0.77", "vip", "tcp/443", ""),
			unexpected("undocumented-service", "pc-1", "vip", "tcp/8888", ""),
			unexpected("undocumented-service", "dir-1", "fe-2", "tcp/8089", "its exception has expired"),
			unexpected("wrong-roles", "edge", "vip", "tcp/4443", "documented from the reverse proxy"),
		},
		silent: []planted{
			excepted("dir-1", "fe-1", "tcp/8089", "its exception holds"),
			documented("10.30.0.77", "dir-1", "tcp/50001", pack+"any-logging-director", "any source may"),
			documented("fe-1", "edge", "tcp/5061", pack+"front-end-sip-edge", "ran before the capture: unverified"),
		},
	}
}
