//go:build linux && namespaces

package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

// gateway is the test's namespace between two hosts: inside, 10.0.0.5, whose packets it masquerades, and outside, 198.51.100.9, from which
// its port 80 leads to port 8080 inside.
type gateway struct {
	t               *testing.T
	inside, outside *os.File
}

const (
	insideName, outsideName = "pa-watch-in", "pa-watch-out"
	insideLink, outsideLink = "pa-watch-gi", "pa-watch-go"
)

func newGateway(t *testing.T) *gateway {
	t.Helper()
	namespace(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("address translation needs nft")
	}
	g := &gateway{t, otherHost(t, insideName), otherHost(t, outsideName)}
	for _, side := range []struct{ link, host, own, other string }{{insideLink, insideName, "10.0.0.1/24", "10.0.0.5/24"}, {outsideLink, outsideName, "198.51.100.1/24", "198.51.100.9/24"}} {
		ip(t, "link add "+side.link+" type veth peer name eth0 netns "+side.host)
		ip(t, "address add "+side.own+" dev "+side.link)
		ip(t, "link set "+side.link+" up")
		ip(t, "-n "+side.host+" address add "+side.other+" dev eth0")
		ip(t, "-n "+side.host+" link set eth0 up")
	}
	ip(t, "-n "+insideName+" route add default via 10.0.0.1")
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	rules := exec.Command("nft", "-f", "-")
	rules.Stdin = strings.NewReader(strings.ReplaceAll(`table ip pa {
		chain post { type nat hook postrouting priority 100; oifname OUT meta l4proto { tcp, udp } masquerade to :61000-61999; oifname OUT masquerade; }
		chain pre { type nat hook prerouting priority -100; iifname OUT tcp dport 80 dnat to 10.0.0.5:8080; }
	}`, "OUT", outsideLink))
	if out, err := rules.CombinedOutput(); err != nil {
		t.Skipf("the kernel does not translate: %v\n%s", err, out)
	}
	return g
}

// serve answers with what it gets, until the test ends.
func (g *gateway) serve(host *os.File, network, address string) {
	g.t.Helper()
	err := elsewhere(host, func() error {
		if network == "udp" {
			c, err := net.ListenPacket(network, address)
			if err != nil {
				return err
			}
			g.t.Cleanup(func() { c.Close() })
			go func() {
				b := make([]byte, 1500)
				for {
					n, from, err := c.ReadFrom(b)
					if err != nil {
						return
					}
					c.WriteTo(b[:n], from)
				}
			}()
			return nil
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		g.t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() { io.Copy(c, c); c.Close() }()
			}
		}()
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// talk opens a connection, which stays open for the test, says something and waits for the answer.
func (g *gateway) talk(host *os.File, network, address string) *talk {
	g.t.Helper()
	k := &talk{t: g.t}
	err := elsewhere(host, func() (err error) {
		k.c, err = net.DialTimeout(network, address, 5*time.Second)
		return err
	})
	if err != nil {
		g.t.Fatalf("%s to %s: %v", network, address, err)
	}
	g.t.Cleanup(func() { k.c.Close() })
	k.port = netip.MustParseAddrPort(k.c.LocalAddr().String()).Port()
	k.say()
	return k
}

type talk struct {
	t    *testing.T
	c    net.Conn
	port uint16
}

func (k *talk) say() {
	k.t.Helper()
	if _, err := k.c.Write([]byte("hello")); err != nil {
		k.t.Fatal(err)
	}
	if _, err := io.ReadFull(k.c, make([]byte, 5)); err != nil {
		k.t.Fatal(err)
	}
}

func (g *gateway) translations() *Translations {
	g.t.Helper()
	tr, err := OpenTranslations()
	if err != nil {
		g.t.Skipf("the kernel does not tell translations: %v", err)
	}
	g.t.Cleanup(tr.Close)
	return tr
}

// tracedLines are the TCP and UDP connections in one line each, sorted. Ports that the gateway chose are not.
func tracedLines(conns []*flow.Conn) (list []string) {
	for _, c := range conns {
		if !c.Proto.HasPorts() {
			continue
		}
		s := fmt.Sprintf("%v %v > %v", c.Proto, c.Orig, c.Resp)
		if c.OtherLeg {
			s += " (other leg)"
		}
		list = append(list, chosenPort.ReplaceAllString(s, ":61xxx"))
	}
	slices.Sort(list)
	return list
}

var chosenPort = regexp.MustCompile(`:61\d\d\d\b`)

// TestTranslatedLegs has connections through a gateway that translates. Watched on both sides each is told once between its true ends, and
// once as the other leg of that; watched on one side, once between its true ends.
func TestTranslatedLegs(t *testing.T) {
	for _, c := range []struct {
		name      string
		links     []string
		otherLegs bool
		early     bool // one more connection begins before anything is watched
	}{
		{"both sides", []string{insideLink, outsideLink}, true, false},
		{"both sides, begun before", []string{outsideLink, insideLink}, true, true},
		{"outside", []string{outsideLink}, false, false},
		{"inside", []string{insideLink}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t)
			g.serve(g.outside, "tcp", ":443")
			g.serve(g.outside, "udp", ":53")
			g.serve(g.inside, "tcp", ":8080")
			var early *talk
			if c.early {
				early = g.talk(g.inside, "tcp", "198.51.100.9:443")
			}
			w := watch(t, Config{}, LiveConfig{Interfaces: c.links, Translations: g.translations()})
			web, name, page := g.talk(g.inside, "tcp", "198.51.100.9:443"), g.talk(g.inside, "udp", "198.51.100.9:53"), g.talk(g.outside, "tcp", "198.51.100.1:80")
			want := []string{fmt.Sprintf("tcp 10.0.0.5:%d > 198.51.100.9:443", web.port), fmt.Sprintf("tcp 198.51.100.9:%d > 10.0.0.5:8080", page.port), fmt.Sprintf("udp 10.0.0.5:%d > 198.51.100.9:53", name.port)}
			if c.otherLegs {
				want = append(want, "tcp 198.51.100.1:61xxx > 198.51.100.9:443 (other leg)", fmt.Sprintf("tcp 198.51.100.9:%d > 10.0.0.5:8080 (other leg)", page.port), "udp 198.51.100.1:61xxx > 198.51.100.9:53 (other leg)")
			}
			if c.early {
				early.say()
				want = append(want, fmt.Sprintf("tcp 10.0.0.5:%d > 198.51.100.9:443", early.port), "tcp 198.51.100.1:61xxx > 198.51.100.9:443 (other leg)")
			}
			for _, k := range []*talk{web, name, page} {
				k.c.Close()
			}
			w.until("word of the translations", func(r *Result) bool { return r.Translations.Told >= 3 && r.Ledger.Read.Packets > 12 })
			r := w.end()
			slices.Sort(want)
			if got := tracedLines(w.conns); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			t.Logf("%+v", *r.Translations)
			if r.Translations.Overruns != 0 || (r.Translations.Joined >= 3) != c.otherLegs {
				t.Errorf("%+v", *r.Translations)
			}
		})
	}
}

// readAll reads until the kernel has nothing more to tell, at that packet time.
func (t *Translations) readAll(tb testing.TB, now int64) {
	tb.Helper()
	for range 1000 {
		if err := t.read(now); err != nil {
			tb.Fatal(err)
		}
		if !t.dump.going && (t.clear == now || t.dump.refused) {
			return
		}
	}
	tb.Fatal("the kernel goes on and on")
}

func (t *Translations) goingOn() (n int) {
	for i := range t.entries {
		if e := &t.entries[i]; e.legs[legBefore].proto == flow.UDP && e.until == math.MaxInt64 {
			n++
		}
	}
	return n
}

// flush has the kernel forget all connections.
func flush(t *testing.T) {
	t.Helper()
	fd, err := netfilterSocket(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const size = unix.NLMSG_HDRLEN + netfilterHeader
	b := binary.NativeEndian.AppendUint32(nil, size)
	b = binary.NativeEndian.AppendUint16(b, conntrackDelete)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	if err := unix.Sendto(fd, append(b, make([]byte, size-len(b))...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
}

// TestTranslationsTold reads begins and ends, and asks again for what was told too fast, as long as that is allowed.
func TestTranslationsTold(t *testing.T) {
	g := newGateway(t)
	g.serve(g.outside, "udp", ":53")
	tr := g.translations()
	now, told := int64(1_700_000_000*second), uint64(0)
	talkMuch := func(n int) {
		t.Helper()
		for range n {
			g.talk(g.inside, "udp", "198.51.100.9:53")
		}
		told += uint64(n)
		now += second
		tr.readAll(t, now)
	}
	check := func(what string, going int, overruns bool) {
		t.Helper()
		if n := tr.goingOn(); n != going || overruns != (tr.counters.Overruns > 0) {
			t.Errorf("%s: %d go on, want %d, %+v", what, n, going, tr.counters)
		}
		tr.counters.Overruns = 0
	}
	end := func(after int64) {
		flush(t)
		now += after
		tr.readAll(t, now)
	}
	talkMuch(20)
	check("told", 20, false)
	end(second)
	check("ended", 0, false)

	if err := unix.SetsockoptInt(tr.events, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4096); err != nil {
		t.Fatal(err)
	}
	talkMuch(200)
	check("too fast", 200, true)
	end(second)
	check("ended too fast: nobody is sure yet", tr.goingOn(), true)
	now += dumpEvery + second
	tr.readAll(t, now)
	check("ended too fast", 0, false)
	if tr.counters.Told != told {
		t.Errorf("%d told, want %d", tr.counters.Told, told)
	}
	tr.expire(math.MaxInt64)
	if len(tr.byEnds) != 0 {
		t.Errorf("%d ends are still known", len(tr.byEnds))
	}

	withoutRights(t)
	for range 100 {
		g.talk(g.inside, "udp", "198.51.100.9:53")
	}
	now += second
	tr.readAll(t, now)
	if n := tr.goingOn(); !tr.dump.refused || n == 0 || n == 100 || tr.counters.Overruns == 0 {
		t.Errorf("without the right to ask: refused %v, %d go on, %+v", tr.dump.refused, n, tr.counters)
	}
	if _, err := OpenTranslations(); err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("opened without the right: %v", err)
	}
}

// withoutRights takes all capabilities from the test's thread.
func withoutRights(t *testing.T) {
	t.Helper()
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		t.Skipf("giving rights away: %v", err)
	}
}
