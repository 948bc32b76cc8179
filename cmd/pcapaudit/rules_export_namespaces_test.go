//go:build namespaces

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"pcapaudit/cmd/internal/netns"
)

// beyondFilter are deviations that addresses and ports do not show: a packet filter lets them through.
var beyondFilter = []string{"encryption", "unannounced", "hours"}

// TestExportedChain sends the packets of the recorded windows through a router that has loaded the exported chain of their site, the originators on one side and the
// responders on the other: every documented connection comes through with every packet, and no deviating or unexpected one that a filter can tell has a packet that does.
func TestExportedChain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	t.Chdir("../../testdata")
	for _, name := range []string{"acronis-clean", "acronis-deviating", "configmgr-clean", "configmgr-deviating", "databox-clean", "databox-deviating", "ibm-clean", "ibm-deviating",
		"lync-clean", "lync-deviating"} {
		t.Run(name, func(t *testing.T) { replayWindow(t, name) })
	}
}

// replayed is a connection of a window and what became of its packets.
type replayed struct {
	Proto      string
	Orig, Resp struct {
		IP   netip.Addr
		Port uint16
	}
	KnownBy string `json:"originator_known_by"`
	Verdict string
	Why     []string
	Flow    string

	sent, came [2]int // by direction: 0 from the originator
}

func (c *replayed) String() string {
	return fmt.Sprintf("%s %s:%d > %s:%d %s %v %s: sent %v, came %v", c.Proto, c.Orig.IP, c.Orig.Port, c.Resp.IP, c.Resp.Port, c.Verdict, c.Why, c.Flow, c.sent, c.came)
}

// passes says what must become of a connection; known is false where the chain makes no promise.
func (c *replayed) passes() (through, known bool) {
	switch {
	case c.KnownBy != "handshake" && c.Proto == "tcp":
		return false, false // it was open before the window, and a filter may see the wrong side open
	case c.Verdict == "documented":
		return true, true
	case c.KnownBy == "port" || c.KnownBy == "unknown":
		return false, false
	case c.Verdict == "deviation" && !slices.ContainsFunc(c.Why, func(w string) bool { return !slices.Contains(beyondFilter, w) }):
		return true, true
	case slices.Contains([]string{"deviation", "unexpected", "excepted"}, c.Verdict):
		return false, true
	}
	return false, false
}

func replayWindow(t *testing.T, name string) {
	site := "sites/" + strings.TrimSuffix(strings.TrimSuffix(name, "-clean"), "-deviating") + ".yaml"
	list := filepath.Join(t.TempDir(), "connections.json")
	var discard strings.Builder
	run([]string{"audit", "--site", site, "--connections", list, "captures/" + name + ".pcapng"}, nil, &discard, &discard)
	conns := readReplayed(t, list)
	chain := filepath.Join(t.TempDir(), "chain.nft")
	if err := os.WriteFile(chain, output(t, exitClean, "rules", "export", "--to", "nftables", "--site", site, "--at", "2026-11-22"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRouter(t, chain)
	r.replay(t, "captures/"+name+".pcapng", conns)
	counts := map[string]int{}
	for _, c := range conns {
		through, known := c.passes()
		whole := c.came == c.sent
		switch {
		case !known || c.sent == [2]int{}:
			counts["no promise"]++
			t.Logf("no promise: %s", c)
		case through && !whole:
			t.Errorf("does not come through: %s", c)
		case !through && c.came[0] > 0:
			t.Errorf("comes through: %s", c)
		case through:
			counts["through"]++
		default:
			counts["dropped"]++
		}
	}
	t.Logf("%d connections: %v", len(conns), counts)
	if counts["through"] < 5 || strings.HasSuffix(name, "deviating") && counts["dropped"] == 0 {
		t.Errorf("too little was replayed: %v", counts)
	}
}

func readReplayed(t *testing.T, path string) []*replayed {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var conns []*replayed
	for d := json.NewDecoder(f); ; {
		c := &replayed{}
		if err := d.Decode(c); errors.Is(err, io.EOF) {
			return conns
		} else if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
}

// router is a namespace between two links, whose far ends are ours.
type router struct {
	sockets [2]int                 // of the far ends: 0 on the side of originators
	macs    [2][2]net.HardwareAddr // of both ends of each link: the router's, ours
}

// newRouter makes the namespaces; they go with the test.
func newRouter(t *testing.T, chain string) *router {
	t.Helper()
	mid, far := fmt.Sprintf("pcapfwd%dr", os.Getpid()), fmt.Sprintf("pcapfwd%dw", os.Getpid())
	for _, space := range []string{mid, far} {
		if err := netns.Add(space); err != nil {
			t.Skipf("no namespace: %v", err)
		}
		t.Cleanup(func() {
			if err := netns.Drop(space); err != nil {
				t.Error(err)
			}
		})
	}
	r := &router{}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	settings := []string{"net/ipv4/ip_forward=1", "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/default/rp_filter=0", "net/ipv6/conf/all/disable_ipv6=0",
		"net/ipv6/conf/default/disable_ipv6=0", "net/ipv6/conf/all/forwarding=1"}
	if err := netns.In(mid, func() error {
		for _, kv := range settings {
			if err := netns.Sysctl(kv); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ip("-n", mid, "link", "set", "lo", "up") // without an address the kernel has no table to hold gateways against
	for side, dev := range []string{"orig", "resp"} {
		r.macs[side] = [2]net.HardwareAddr{{2, 0, 0x5e, 0x20, byte(side), 1}, {2, 0, 0x5e, 0x20, byte(side), 2}}
		ip("-n", mid, "link", "add", dev, "address", r.macs[side][0].String(), "type", "veth", "peer", "name", dev, "netns", far)
		ip("-n", far, "link", "set", dev, "address", r.macs[side][1].String(), "up")
		ip("-n", mid, "link", "set", dev, "up")
	}
	for side, dev := range []string{"orig", "resp"} {
		table := fmt.Sprint(100 + side)
		out := []string{"resp", "orig"}[side]
		hop := r.macs[1-side][1].String()
		for family, gateway := range map[string]string{"-4": "169.254.99.1", "-6": "fe80::99"} {
			ip("-n", mid, family, "rule", "add", "iif", dev, "lookup", table)
			ip("-n", mid, family, "neigh", "replace", gateway, "lladdr", hop, "dev", out, "nud", "permanent")
			ip("-n", mid, family, "route", "add", "default", "via", gateway, "dev", out, "onlink", "table", table)
		}
		if err := netns.In(far, func() (err error) { r.sockets[side], err = linkSocket(dev); return err }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(r.sockets[side]) })
	}
	if out, err := exec.Command("ip", "netns", "exec", mid, "nft", "-f", chain).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return r
}

// linkSocket opens a socket that sends and receives whole frames on a device, with room for a window.
func linkSocket(dev string) (int, error) {
	link, err := net.InterfaceByName(dev)
	if err != nil {
		return -1, err
	}
	const every = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, every&0xffff)
	if err != nil {
		return -1, err
	}
	return fd, errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20), unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: every & 0xffff, Ifindex: link.Index}))
}

// key is a direction of a connection.
type key struct {
	proto    string
	from, to netip.AddrPort
}

// replay sends every packet of a capture on the side of its sender, one after the other, and counts what comes out on the other.
func (r *router) replay(t *testing.T, path string, conns []*replayed) {
	index := map[key]*replayed{}
	for _, c := range conns {
		if !forwarded(c.Orig.IP) || !forwarded(c.Resp.IP) {
			continue
		}
		index[key{c.Proto, netip.AddrPortFrom(c.Orig.IP, c.Orig.Port), netip.AddrPortFrom(c.Resp.IP, c.Resp.Port)}] = c
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, _, err := in.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c, side := find(index, frame)
		if c == nil {
			continue
		}
		out := slices.Clone(frame)
		copy(out, r.macs[side][0])
		copy(out[6:], r.macs[side][1])
		if _, err := unix.Write(r.sockets[side], out); err != nil {
			t.Fatalf("send: %v", err)
		}
		c.sent[side]++
		r.receive(index)
	}
	for range 5 { // what is still on its way
		time.Sleep(20 * time.Millisecond)
		r.receive(index)
	}
}

// forwarded says whether a router forwards packets to an address.
func forwarded(a netip.Addr) bool {
	return !a.IsMulticast() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// receive counts the packets that have come out so far.
func (r *router) receive(index map[key]*replayed) {
	buf := make([]byte, 1<<16)
	for at, fd := range r.sockets {
		for {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				break
			}
			if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_OUTGOING {
				continue
			}
			if c, side := find(index, buf[:n]); c != nil && side != at {
				c.came[side]++
			}
		}
	}
}

// find gives the connection of a frame and the side of its sender: 0 for the originator. Later fragments, and ICMP errors, belong to none.
func find(index map[key]*replayed, frame []byte) (*replayed, int) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true, Lazy: true})
	n := p.NetworkLayer()
	if n == nil {
		return nil, 0
	}
	src, _ := netip.AddrFromSlice(n.NetworkFlow().Src().Raw())
	dst, _ := netip.AddrFromSlice(n.NetworkFlow().Dst().Raw())
	k := key{from: netip.AddrPortFrom(src, 0), to: netip.AddrPortFrom(dst, 0)}
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			k = key{"tcp", netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort))}
		case *layers.UDP:
			if k.proto == "" {
				k = key{"udp", netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort))}
			}
		case *layers.ICMPv4:
			k.proto = "icmp"
		case *layers.ICMPv6:
			k.proto = "icmp6"
		}
	}
	if c := index[k]; c != nil {
		return c, 0
	}
	k.from, k.to = k.to, k.from
	return index[k], 1
}
