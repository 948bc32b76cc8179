package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// host is one machine of a window: a namespace with one interface on the bridge.
type host struct {
	name  string
	addrs string   // addresses with prefix length, separated by spaces; the first IPv4 one is the source address. None: the host asks DHCP
	os    string   // windows, windows-pre-vista, linux or appliance: the range its kernel picks source ports from
	gw    string   // host that translates for this one (source PAT); the host then stands behind it and not on the captured bridge
	nat   []string // addresses this host translates, by masquerade
	nft   string   // rules of an inet table's chains, as nft reads them
}

// portRanges are the ranges of net.ipv4.ip_local_port_range.
var portRanges = map[string]string{
	"windows":           "49152 65535",
	"windows-pre-vista": "1025 5000",
	"linux":             "32768 60999",
	"appliance":         "32768 60999",
}

// lab is a running network: a bridge in a namespace of its own, hosts in theirs, no link to the machine's own network.
type lab struct {
	ctx     context.Context
	prefix  string // of the namespaces' names
	dir     string // scratch directory
	nodes   map[string]*node
	spaces  []string
	cmds    []*exec.Cmd
	closers []func()
	verbose bool
	keys    *keys
	flows   map[string]*session // sessions that stay open between actions, by name
	logs    map[string]*bytes.Buffer
}

// node is a host at work.
type node struct {
	host
	space string
	v4    netip.Addr
	v6    netip.Addr
}

func newLab(ctx context.Context, hosts []host, verbose bool) (l *lab, err error) {
	l = &lab{ctx: ctx, prefix: fmt.Sprintf("pcaprec%d", os.Getpid()), nodes: map[string]*node{}, verbose: verbose,
		flows: map[string]*session{}, logs: map[string]*bytes.Buffer{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "pcaprec"); err != nil {
		return l, fmt.Errorf("make scratch directory: %w", err)
	}
	// Servers that drop their privileges must reach their files below.
	if err = os.Chmod(l.dir, 0o755); err != nil {
		return l, fmt.Errorf("open scratch directory: %w", err)
	}
	if l.keys, err = newKeys(l.dir); err != nil {
		return l, err
	}
	if err = l.addBridge(); err != nil {
		return l, err
	}
	for i, h := range hosts {
		if err = l.addHost(i, h); err != nil {
			return l, fmt.Errorf("add host %s: %w", h.name, err)
		}
	}
	// Neighbour and multicast reports of coming up are over before the capture begins.
	l.sleep(600 * time.Millisecond)
	return l, nil
}

func (l *lab) addBridge() error {
	sw := l.prefix + "sw"
	if err := l.addSpace(sw); err != nil {
		return err
	}
	for _, br := range []string{"br0", "inside"} {
		if err := l.ip(sw, "link", "add", br, "type", "bridge", "mcast_snooping", "0", "stp_state", "0", "forward_delay", "0"); err != nil {
			return err
		}
		if err := l.ip(sw, "link", "set", br, "up"); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) addSpace(name string) error {
	if err := netns.Add(name); err != nil {
		return err
	}
	l.spaces = append(l.spaces, name)
	return nil
}

func (l *lab) addHost(i int, h host) error {
	space := fmt.Sprintf("%sh%d", l.prefix, i)
	if err := l.addSpace(space); err != nil {
		return err
	}
	n := &node{host: h, space: space}
	l.nodes[h.name] = n
	bridge := "br0"
	if h.gw != "" {
		bridge = "inside"
	}
	if err := l.wire(space, "eth0", bridge, fmt.Sprintf("p%d", i), 2*i); err != nil {
		return err
	}
	ports, ok := portRanges[h.os]
	if !ok {
		return fmt.Errorf("operating system %q has no port range", h.os)
	}
	if err := netns.In(space, func() error { return prepare(ports, strings.Contains(h.addrs, "::"), len(h.nat) > 0) }); err != nil {
		return err
	}
	for _, a := range strings.Fields(h.addrs) {
		if err := n.addAddress(l, a); err != nil {
			return err
		}
	}
	if err := l.route(n); err != nil {
		return err
	}
	if len(h.nat) > 0 {
		if err := l.translate(n, i); err != nil {
			return err
		}
	}
	if h.nft != "" {
		return l.nft(space, h.nft)
	}
	return nil
}

// prepare sets a host's namespace: its source ports, no router discovery, no duplicate address detection.
func prepare(ports string, ipv6, forward bool) error {
	settings := []string{"net/ipv4/ip_local_port_range=" + ports, "net/ipv4/ip_unprivileged_port_start=0", "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/eth0/rp_filter=0"}
	if forward {
		settings = append(settings, "net/ipv4/ip_forward=1")
	}
	if ipv6 {
		for _, dev := range []string{"all", "default", "eth0"} {
			p := "net/ipv6/conf/" + dev + "/"
			settings = append(settings, p+"accept_ra=0", p+"accept_dad=0", p+"router_solicitations=0", p+"addr_gen_mode=1", p+"disable_ipv6=0")
		}
	}
	for _, kv := range settings {
		if err := netns.Sysctl(kv); err != nil {
			return err
		}
	}
	return nil
}

// wire joins a namespace to a bridge by a veth pair with checksum and segmentation offload off, so that lengths on the wire are real.
// The last three bytes of the hardware address count.
func (l *lab) wire(space, dev, bridge, port string, number int) error {
	sw := l.prefix + "sw"
	if err := l.ip(sw, "link", "add", port, "type", "veth", "peer", "name", dev, "netns", space); err != nil {
		return err
	}
	mac := fmt.Sprintf("02:00:5e:10:%02x:%02x", number>>8, number&0xff)
	for _, args := range [][]string{
		{sw, "link", "set", port, "master", bridge, "up"},
		{space, "link", "set", "lo", "up"},
		{space, "link", "set", dev, "address", mac, "up"},
	} {
		if err := l.ip(args[0], args[1:]...); err != nil {
			return err
		}
	}
	if err := netns.In(sw, func() error { return netns.OffloadsOff(port) }); err != nil {
		return err
	}
	return netns.In(space, func() error { return netns.OffloadsOff(dev) })
}

func (n *node) addAddress(l *lab, cidr string) error {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	args := []string{"addr", "add", cidr, "dev", "eth0"}
	switch {
	case p.Addr().Is6():
		args = append(args, "nodad")
		if !n.v6.IsValid() {
			n.v6 = p.Addr()
		}
	default:
		args = append(args, "broadcast", "+")
		if !n.v4.IsValid() {
			n.v4 = p.Addr()
		}
	}
	return l.ip(n.space, args...)
}

// route makes every other address a neighbour on the link: the captured network has no router, and each frame crosses the bridge once.
// A host behind a translator goes through it.
func (l *lab) route(n *node) error {
	if n.gw != "" {
		return l.ip(n.space, "route", "add", "default", "via", "192.168.250.1", "dev", "eth0", "onlink")
	}
	args := []string{"route", "add", "default", "dev", "eth0"}
	if n.v4.IsValid() {
		args = append(args, "src", n.v4.String())
	}
	if err := l.ip(n.space, args...); err != nil {
		return err
	}
	if n.v6.IsValid() {
		return l.ip(n.space, "-6", "route", "add", "default", "dev", "eth0")
	}
	return nil
}

// translate gives a host a second leg, on the bridge that is not captured, and a masquerade rule for what comes from there.
func (l *lab) translate(n *node, i int) error {
	if err := l.wire(n.space, "eth1", "inside", fmt.Sprintf("q%d", i), 2*i+1); err != nil {
		return err
	}
	if err := l.ip(n.space, "addr", "add", "192.168.250.1/32", "dev", "eth1"); err != nil {
		return err
	}
	if err := netns.In(n.space, func() error { return netns.Sysctl("net/ipv4/conf/eth1/rp_filter=0") }); err != nil {
		return err
	}
	for _, inner := range n.nat {
		if err := l.ip(n.space, "route", "add", inner, "dev", "eth1"); err != nil {
			return err
		}
	}
	return l.nft(n.space, "chain out { type nat hook postrouting priority srcnat; oifname eth0 ip saddr { "+
		strings.Join(n.nat, ", ")+" } meta l4proto { tcp, udp } masquerade to :20000-30000; }")
}

func (l *lab) nft(space, rules string) error {
	return l.command("ip", "netns", "exec", space, "nft", "add table inet lab; table inet lab {\n"+rules+"\n}")
}

func (l *lab) ip(space string, args ...string) error {
	return l.command("ip", append([]string{"-n", space}, args...)...)
}

// command runs a tool to its end.
func (l *lab) command(name string, args ...string) error {
	out, err := exec.CommandContext(l.ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// inside runs a tool in a host's namespace to its end and returns what it printed.
func (l *lab) inside(n *node, args ...string) (string, error) {
	c := exec.CommandContext(l.ctx, "ip", append([]string{"netns", "exec", n.space}, args...)...)
	c.Dir = l.dir
	out, err := c.CombinedOutput()
	if l.verbose {
		fmt.Fprintf(os.Stderr, "--- %s: %s\n%s", n.name, strings.Join(args, " "), out)
	}
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// daemon starts a server in a host's namespace. It dies with the lab.
func (l *lab) daemon(n *node, args ...string) error {
	c := exec.Command("ip", append([]string{"netns", "exec", n.space}, args...)...)
	c.Dir = l.dir
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	log := &bytes.Buffer{}
	c.Stdout, c.Stderr = log, log
	if l.verbose {
		c.Stdout, c.Stderr = os.Stderr, os.Stderr
	}
	if err := c.Start(); err != nil {
		return err
	}
	l.logs[n.name+" "+filepath.Base(args[0])] = log
	l.cmds = append(l.cmds, c)
	return nil
}

func (l *lab) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ctx.Done():
	}
}

func (l *lab) node(name string) (*node, error) {
	n := l.nodes[name]
	if n == nil {
		return nil, fmt.Errorf("host %q is not in this window", name)
	}
	return n, nil
}
