package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
)

// packetFlags are the flags of audit and connections that say which packets are looked at, and what tells connections apart.
type packetFlags struct {
	nets, hosts, ports []string
	since, until       string
	key                []string
	dedup              bool
	tunnelPorts        []string
}

// packetHelp is the part of the commands' help that explains packetFlags.
const packetHelp = `
Filters leave packets out before connections are tracked: --net, --host and --port hold for either end of
a packet; of one kind any must hold, of different kinds all. What is left out is counted as filtered.
Packets inside tunnels are filtered by their own addresses and ports.`

func (f *packetFlags) register(c *cobra.Command) {
	f.flags(c.Flags())
	completeWords(c, "key", "vlan", "interface", "vlan,interface")
	completeList(c, "tunnel-port", func() []string {
		var list []string
		for _, name := range capture.TunnelNames() {
			list = append(list, name+"=")
		}
		return list
	})
}

func (f *packetFlags) flags(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.nets, "net", nil, "look only at packets from or to `PREFIX`, such as 10.1.0.0/16 or 2001:db8::/32")
	fl.StringArrayVar(&f.hosts, "host", nil, "look only at packets from or to `ADDR`")
	fl.StringArrayVar(&f.ports, "port", nil, "look only at packets from or to port `N`, or N-M; leaves out ICMP and all else without ports")
	fl.StringVar(&f.since, "since", "", "look only at packets from `TIME` on: 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00Z")
	fl.StringVar(&f.until, "until", "", "look only at packets before `TIME`")
	fl.StringSliceVar(&f.key, "key", nil, "`WORDS` that tell connections of the same addresses and ports apart, where address plans overlap: vlan, interface")
	fl.BoolVar(&f.dedup, "dedup", false, "count identical copies of packets, as mirror ports make them, once; within 64 packets and 50 ms, 1 ms without an IP identification")
	fl.StringArrayVar(&f.tunnelPorts, "tunnel-port", nil, "open tunnels on a UDP port beside the usual ones too, `NAME=PORT`: vxlan, vxlan-gpe, geneve, gtp-u, teredo, gre-in-udp")
}

// config adds the flags to what a run reads.
func (f *packetFlags) config(c *capture.Config) error {
	filter, err := f.filter()
	if err != nil {
		return exitError{exitUsage, err}
	}
	for _, word := range f.key {
		switch word {
		case "vlan":
			c.Key |= flow.KeyVLAN
		case "interface":
			c.Key |= flow.KeyInterface
		default:
			return oneOf("--key", word, "vlan, interface or both, as in --key vlan,interface", "vlan", "interface")
		}
	}
	for _, text := range f.tunnelPorts {
		p, err := capture.ParseTunnelPort(text)
		if err != nil {
			name, _, _ := strings.Cut(text, "=")
			return misspelt(err, name, capture.TunnelNames())
		}
		c.TunnelPorts = append(c.TunnelPorts, p)
	}
	c.Filter, c.Dedup = filter, f.dedup
	return nil
}

// filter is nil where no flag asks for one.
func (f *packetFlags) filter() (*flow.Filter, error) {
	if len(f.nets)+len(f.hosts)+len(f.ports) == 0 && f.since == "" && f.until == "" {
		return nil, nil
	}
	out := new(flow.Filter)
	for _, text := range f.nets {
		p, err := parseNet(text)
		if err != nil {
			return nil, err
		}
		out.Nets = append(out.Nets, p)
	}
	for _, text := range f.hosts {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("--host %q is no address: write 10.1.2.3 or 2001:db8::1, without a zone; names are not looked up", text)
		}
		out.Hosts = append(out.Hosts, a)
	}
	for _, text := range f.ports {
		r, err := parsePorts(text)
		if err != nil {
			return nil, err
		}
		out.Ports = append(out.Ports, r)
	}
	var err error
	if out.Since, err = parseInstant("--since", f.since); err != nil {
		return nil, err
	}
	if out.Until, err = parseInstant("--until", f.until); err != nil {
		return nil, err
	}
	if out.Since != nil && out.Until != nil && *out.Since >= *out.Until {
		return nil, fmt.Errorf("--until %s is not after --since %s: the end is exclusive, give a later one", f.until, f.since)
	}
	out.Compile()
	return out, nil
}

func parseNet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Errorf("--net %q is no prefix: write 10.1.0.0/16 or 2001:db8::/32; for one address use --host", text)
	case p != p.Masked():
		return p, fmt.Errorf("--net %s has bits beyond its length: write %s, or for one address --host %s", text, p.Masked(), p.Addr())
	}
	return p, nil
}

func parsePorts(text string) (flow.PortRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errFirst := strconv.ParseUint(first, 10, 16)
	b, errLast := strconv.ParseUint(last, 10, 16)
	if errFirst != nil || errLast != nil || a > b {
		return flow.PortRange{}, fmt.Errorf("--port %q: write a port from 0 to 65535 or a range such as 8530-8531", text)
	}
	return flow.PortRange{First: uint16(a), Last: uint16(b)}, nil
}

// parseInstant reads RFC 3339 or a date, which is midnight UTC; nil for "". Years outside 1678 to 2261 do not fit packet time.
func parseInstant(name, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1677 && t.Year() < 2262 {
			ns := t.UnixNano()
			return &ns, nil
		}
	}
	return nil, fmt.Errorf("%s %q is no time: write 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00Z", name, text)
}
