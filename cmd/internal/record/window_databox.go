package main

import "slices"

var databoxRules = []string{"azure-data-box"}

// databoxHosts are two devices, clients on the local network, and what the devices reach outside.
func databoxHosts(extra ...host) []host {
	return append([]host{
		{name: "box-1", addrs: "192.168.40.10/24", os: "linux"},
		{name: "box-2", addrs: "192.168.40.11/24", os: "linux"},
		{name: "client-1", addrs: "192.168.40.50/24", os: "windows"},
		{name: "client-2", addrs: "192.168.40.51/24", os: "linux"},
		{name: "dhcp", addrs: "192.168.40.2/24", os: "linux"},
		{name: "dns", addrs: "192.168.40.3/24", os: "linux"},
		{name: "cloud", addrs: "203.0.113.40/24", os: "linux"},
		{name: "time", addrs: "203.0.113.123/24", os: "linux"},
		{name: "resolver", addrs: "203.0.113.53/24", os: "linux"},
	}, extra...)
}

func databoxServices(more ...service) []service {
	return append([]service{
		nginx("box-1", []int{80}, []int{443}, true), smbd("box-1"), ganesha("box-1"), listen("box-1", "http", 5985),
		nginx("cloud", []int{80}, []int{443}, false), chronyd("time"), dnsmasq("resolver", "cloud.backup.example=203.0.113.40"),
		dnsmasq("dns", "box-1.backup.example=192.168.40.10"), addressServer("dhcp", "192.168.40.200", "192.168.40.209", "none"),
	}, more...)
}

var boxes = []string{"box-1", "box-2"}

func databoxClean() *window {
	return &window{name: "databox-clean", site: "databox", rules: databoxRules, hosts: databoxHosts(),
		services: databoxServices(nginx("box-2", []int{80}, []int{443}, true), smbd("box-2")),
		actions: slices.Concat(
			each(func(h string) action { return renewal{h, "dhcp"} }, boxes...),
			each(func(h string) action { return lookup(h, "resolver", "cloud.backup.example") }, boxes...),
			each(func(h string) action { return clock(h, "time") }, boxes...),
			each(func(h string) action { return dial{from: h, to: "cloud", port: 443, speak: "https"} }, boxes...),
			[]action{
				web("box-1", "cloud", 80), lookup("client-1", "dns", "box-1.backup.example"),
				web("client-1", "box-1", 80), webs("client-1", "box-1", 443), web("client-2", "box-2", 80), webs("client-2", "box-2", 443),
				smbPut("client-1", "box-1"), smbPut("client-2", "box-2"), nfsNull("client-2", "box-1"), web("client-1", "box-1", 5985),
				webs("box-1", "cloud", 443), webs("box-2", "cloud", 443),
			}),
	}
}

func databoxDeviating() *window {
	pack := "azure-data-box/"
	return &window{name: "databox-deviating", site: "databox", rules: databoxRules,
		hosts:    dropping(databoxHosts(host{name: "stranger", addrs: "192.168.40.222/24", os: "linux"}), "cloud", "ip saddr 192.168.40.11 tcp dport 443"),
		services: databoxServices(listen("box-2", "http", 8443), smbd("client-1"), listen("time", "plain", 4460), listen("cloud", "plain", 2222), listen("box-2", "tls", 443)),
		before:   []action{dial{from: "client-2", to: "box-2", port: 443, speak: "tls", keep: "blob"}},
		actions: slices.Concat(
			each(func(h string) action { return renewal{h, "dhcp"} }, boxes...),
			each(func(h string) action { return lookup(h, "resolver", "cloud.backup.example") }, boxes...),
			[]action{
				more{keep: "blob"},
				clock("box-1", "time"), // box-2 never asks for the time
				dial{from: "box-1", to: "cloud", port: 443, speak: "https", sport: 20000},
				dropped("box-2", "cloud", 443),
				webs("client-1", "box-1", 443), smbPut("client-1", "box-1"), nfsNull("client-2", "box-1"),
				web("client-1", "box-2", 8443),
				web("client-2", "box-1", 443), // nginx answers 400: this port wants TLS
				smbPut("box-1", "client-1"),
				webs("stranger", "box-1", 443),
				tcp("box-1", "time", 4460), tcp("box-1", "cloud", 2222),
				refused("client-2", "box-1", 23), // tried, refused: shown, does not decide
				dial{from: "client-1", to: "box-1", port: 443, speak: "https"},
				more{keep: "blob", last: true},
			}),
		planted: []planted{
			deviation("source-port", "box-1", "203.0.113.40", "tcp/443", pack+"device-https-cloud"),
			deviation("encryption", "client-2", "box-1", "tcp/443", pack+"client-https-device"),
			deviation("originator", "box-1", "client-1", "tcp/445", pack+"client-smb-device"),
			unexpected("undocumented-service", "client-1", "box-2", "tcp/8443", ""),
			unexpected("unknown-host", "192.168.40.222", "box-1", "tcp/443", ""),
			unexpected("unknown-host", "box-1", "203.0.113.40", "tcp/2222", "its exception has expired"),
			expectation("attempted", "box-2", "tcp/443", pack+"device-https-cloud", "dropped by a filter"),
			expectation("missing", "box-2", "udp/123", pack+"device-ntp-internet", "never tried"),
		},
		silent: []planted{
			excepted("box-1", "203.0.113.123", "tcp/4460", "its exception holds"),
			unexpected("undocumented-service", "client-2", "box-1", "tcp/23", "refused, so it does not decide"),
			documented("client-2", "box-2", "tcp/443", pack+"client-https-device", "ran before the capture: unverified"),
		},
	}
}
