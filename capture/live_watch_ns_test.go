//go:build linux && namespaces

package capture

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ipBatch runs many commands at once.
func ipBatch(t *testing.T, commands ...string) {
	t.Helper()
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v\n%s", err, out)
	}
}

// linkEvents reads what is there, in words.
func linkEvents(t *testing.T, w *linkWatch) (list []string) {
	t.Helper()
	events, err := w.changed()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		state := map[bool]string{true: "up", false: "down"}[e.up]
		if e.gone {
			state = "gone"
		}
		list = append(list, fmt.Sprintf("%d %s %s", e.index, e.name, state))
	}
	return list
}

func TestLinkWatch(t *testing.T) {
	namespace(t)
	w, err := openLinkWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if lo, ok := w.named("lo"); !ok || !lo.up || lo.index != 1 || !slices.Equal(w.names(), []string{"lo"}) {
		t.Errorf("at first: %v, %+v", w.names(), lo)
	}
	add := func(index int) string {
		return fmt.Sprintf("link add pa-a index %d type veth peer name pa-b", index)
	}
	for _, c := range []struct {
		name     string
		commands []string
		want     []string // the last events of pa-a, whose number they begin with
	}{
		{"made", []string{add(10)}, []string{"10 pa-a down"}},
		{"up, the other end not", []string{"link set pa-a up"}, nil},
		{"up", []string{"link set pa-b up"}, []string{"10 pa-a up"}},
		{"another MTU", []string{"link set pa-a mtu 1400"}, nil},
		{"addresses", []string{"address add 10.0.0.1/24 dev pa-a", "address add 10.0.0.2/24 dev pa-a", "address delete 10.0.0.1/24 dev pa-a"}, nil},
		{"another hardware address", []string{"link set pa-a address 02:00:00:00:00:01"}, nil},
		{"down", []string{"link set pa-a down"}, []string{"10 pa-a down"}},
		{"up again", []string{"link set pa-a up"}, []string{"10 pa-a up"}},
		{"no carrier", []string{"link set pa-b down"}, []string{"10 pa-a down"}},
		{"a carrier", []string{"link set pa-b up"}, []string{"10 pa-a up"}},
		{"renamed", []string{"link set pa-a name pa-c"}, []string{"10 pa-c up"}},
		{"renamed back", []string{"link set pa-c name pa-a"}, []string{"10 pa-a up"}},
		{"deleted", []string{"link delete pa-a"}, []string{"10 pa-a gone"}},
		{"made again with another number", []string{add(20)}, []string{"20 pa-a down"}},
		{"replaced by one with its number", []string{"link delete pa-a", add(20)}, []string{"20 pa-a gone", "20 pa-a down"}},
		{"in a bridge", []string{"link add pa-bridge index 30 type bridge", "link set pa-a master pa-bridge", "link set pa-a nomaster", "link delete pa-bridge"}, nil},
	} {
		ipBatch(t, c.commands...)
		var got []string
		for deadline := time.Now().Add(2 * time.Second); len(got) < len(c.want) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			got = append(got, slices.DeleteFunc(linkEvents(t, w), func(s string) bool { return !strings.HasPrefix(s, "10 ") && !strings.HasPrefix(s, "20 ") })...)
		}
		if len(got) < len(c.want) || !slices.Equal(got[len(got)-len(c.want):], c.want) || len(c.want) == 0 && len(got) > 0 {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		linkEvents(t, w)
	}
}

// TestLinkWatchOverrun has more happen than the kernel keeps: what is known then is what is there, and stays so.
func TestLinkWatchOverrun(t *testing.T) {
	namespace(t)
	w, err := openLinkWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<10); err != nil {
		t.Fatal(err)
	}
	for n, last := range [][]string{{"link set pa-b up"}, {"link set pa-b up", "link delete pa-a"}, {"link set pa-a name pa-new"}} {
		index := 100 * (n + 1)
		commands := []string{fmt.Sprintf("link add pa-a index %d type veth peer name pa-b", index), "link set pa-a up"}
		for range 30 {
			commands = append(commands, "link set pa-b up", "link set pa-b down", "link delete pa-a", commands[0], commands[1])
		}
		ipBatch(t, append(commands, last...)...)
		for w.doubt = false; !w.doubt; {
			linkEvents(t, w)
		}
		time.Sleep(50 * time.Millisecond)
		linkEvents(t, w)
		found, err := w.list()
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != len(w.known) {
			t.Errorf("run %d: %d interfaces, known %v", n, len(found), w.known)
		}
		for _, e := range found {
			if w.known[e.index] != e.link {
				t.Errorf("run %d: %+v, known %+v", n, e.link, w.known[e.index])
			}
		}
		ipBatch(t, append([]string{}, map[int]string{0: "link delete pa-a", 1: "link show lo", 2: "link delete pa-new"}[n])...)
	}
}

// TestLiveReplaced replaces the interface by one of the same name and number, after more changes than the kernel keeps.
func TestLiveReplaced(t *testing.T) {
	namespace(t)
	add := []string{"link add pa-b index 77 type veth peer name pa-a", "link set pa-a up", "link set pa-b up"}
	ipBatch(t, add...)
	for !linkNow(t, "pa-b").up {
		time.Sleep(time.Millisecond)
	}
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{"pa-b"}})
	openSender(t, "pa-a").send(liveFrame(1, 1))
	w.until("a packet", packets(1))
	w.in(func(*Pulse) {
		var commands []string
		for range 300 {
			commands = append(commands, "link set pa-b mtu 1400", "link set pa-b mtu 1500")
		}
		ipBatch(t, append(append(commands, "link delete pa-b"), add...)...)
	})
	w.until("up", func(r *Result) bool { return r.Live[0].State == LinkUp })
	time.Sleep(300 * time.Millisecond)
	openSender(t, "pa-a").send(liveFrame(1, 2))
	w.until("a packet of the new one", func(r *Result) bool { return r.Live[0].Delivered == 2 })
	if r := w.end(); len(r.Live[0].BlindSpans) == 0 {
		t.Error("nobody says that it was away")
	}
}
