//go:build linux && namespaces

package capture

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

// talk says something and waits for the answer. It gives the port that it spoke from, and leaves the connection open until stop.
func (g *gateway) talk(host *os.File, network, address string) (port int, stop func()) {
	g.t.Helper()
	err := elsewhere(host, func() error {
		c, err := net.DialTimeout(network, address, 5*time.Second)
		if err != nil {
			return err
		}
		if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
			port = a.Port
		} else {
			port = c.LocalAddr().(*net.UDPAddr).Port
		}
		stop = func() { c.Close() }
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err = io.ReadFull(c, make([]byte, 5))
		return err
	})
	if err != nil {
		g.t.Fatalf("%s to %s: %v", network, address, err)
	}
	return port, stop
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
		name       string
		links      []string
		otherLegs  bool
		ringsFirst bool // connections begin before translations are read, and end after
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
			if c.ringsFirst {
				_, stop := g.talk(g.inside, "tcp", "198.51.100.9:443")
				defer stop()
			}
			w := watch(t, Config{}, LiveConfig{Interfaces: c.links, Translations: g.translations()})
			web, stopWeb := g.talk(g.inside, "tcp", "198.51.100.9:443")
			name, stopName := g.talk(g.inside, "udp", "198.51.100.9:53")
			page, stopPage := g.talk(g.outside, "tcp", "198.51.100.1:80")
			w.until("word of the translations", func(r *Result) bool { return r.Translations.Told >= 3 && r.Ledger.Read.Packets > 12 })
			for _, stop := range []func(){stopWeb, stopName, stopPage} {
				stop()
			}
			r := w.end()
			want := []string{fmt.Sprintf("tcp 10.0.0.5:%d > 198.51.100.9:443", web), fmt.Sprintf("tcp 198.51.100.9:%d > 10.0.0.5:8080", page), fmt.Sprintf("udp 10.0.0.5:%d > 198.51.100.9:53", name)}
			if c.otherLegs {
				want = append(want, "tcp 198.51.100.1:61xxx > 198.51.100.9:443 (other leg)", fmt.Sprintf("tcp 198.51.100.9:%d > 10.0.0.5:8080 (other leg)", page), "udp 198.51.100.1:61xxx > 198.51.100.9:53 (other leg)")
			}
			slices.Sort(want)
			if got := tracedLines(w.conns); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			t.Logf("%+v", *r.Translations)
			if r.Translations.Overruns != 0 || (r.Translations.Joined == 3) != c.otherLegs {
				t.Errorf("%+v", *r.Translations)
			}
		})
	}
}
