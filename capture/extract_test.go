package capture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// audited is a first pass.
type audited struct {
	config Config
	result *Result
	conns  []flow.Conn
}

func auditOf(t testing.TB, c Config) *audited {
	t.Helper()
	a := &audited{config: c}
	c.Emit = func(c *flow.Conn) { a.conns = append(a.conns, kept(c)) }
	var err error
	if a.result, err = Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	return a
}

// all wants every connection.
func (a *audited) all(limit int) (list []Wanted) {
	for _, c := range a.conns {
		list = append(list, Wanted{ID: c.ID, Comments: []string{"connection " + c.ID.String()}, Limit: limit})
	}
	return list
}

func (a *audited) extract(t testing.TB, c ExtractConfig) ([]byte, ExtractResult) {
	t.Helper()
	var out bytes.Buffer
	c.First, c.Read, c.Out = a.config, a.result.Inputs, &out
	result, err := Extract(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), result
}

// exchange is a connection without its direction, which may be a guess.
type exchange struct {
	proto          flow.Proto
	a, b           netip.AddrPort
	fromA, fromB   uint64
	bytesA, bytesB uint64
	icmp           [2]uint8
}

func exchangesOf(conns []flow.Conn, pseudonym func(netip.Addr) netip.Addr) (list []exchange) {
	for _, c := range conns {
		ends := [2]netip.AddrPort{c.Orig, c.Resp}
		if pseudonym != nil {
			for i, e := range ends {
				ends[i] = netip.AddrPortFrom(pseudonym(e.Addr()), e.Port())
			}
		}
		e := exchange{c.Proto, ends[0], ends[1], c.OrigPackets, c.RespPackets, c.OrigBytes, c.RespBytes, [2]uint8{c.ICMPType, c.ICMPCode}}
		if ends[0].Compare(ends[1]) > 0 {
			e = exchange{c.Proto, ends[1], ends[0], c.RespPackets, c.OrigPackets, c.RespBytes, c.OrigBytes, e.icmp}
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(x, y exchange) int { return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	return list
}

// differences counts what is in one of two sorted lists only.
func differences(x, y []exchange) (only []string) {
	count := map[exchange]int{}
	for _, e := range x {
		count[e]++
	}
	for _, e := range y {
		count[e]--
	}
	for e, n := range count {
		if n != 0 {
			only = append(only, fmt.Sprintf("%+d %v", n, e))
		}
	}
	slices.Sort(only)
	return only
}

var testPseudonyms = NewPseudonyms([32]byte{1, 2, 3})

// reread is the first pass over extracted packets.
func reread(t testing.TB, c Config, evidence []byte) *audited {
	t.Helper()
	c.Inputs = []string{writeFile(t, t.TempDir(), "evidence.pcapng", evidence)}
	return auditOf(t, c)
}

// checkExtracts holds what is true of any capture: what all connections want are their packets, each once and in the order of reading; read again
// these are the same connections, whole, as headers, and under pseudonyms.
func checkExtracts(t *testing.T, a *audited, strict bool) {
	t.Helper()
	want := a.all(0)
	plain, found := a.extract(t, ExtractConfig{Want: want, Payload: true})
	if found.Connections != len(a.conns) || found.Limited != 0 || found.Shortened != 0 || found.Lost != 0 {
		t.Errorf("%d connections: %+v", len(a.conns), found)
	}
	checkCounts(t, a, plain)
	for name, c := range map[string]ExtractConfig{"payload": {Payload: true}, "headers": {}, "pseudonyms": {Pseudonyms: testPseudonyms}} {
		c.Want = want
		data, result := plain, found
		if name != "payload" {
			data, result = a.extract(t, c)
		}
		if result.Packets != found.Packets || result.Connections != found.Connections || result.Lost != 0 {
			t.Errorf("%s: %+v, whole packets %+v", name, result, found)
		}
		again := reread(t, a.config, data)
		if in := again.result.Inputs[0]; in.State != InputClean || in.Packets != found.Packets || in.Comments < in.Packets {
			t.Errorf("%s: %+v, %d packets were written", name, in, found.Packets)
		}
		var pseudonym func(netip.Addr) netip.Addr
		if c.Pseudonyms != nil {
			pseudonym = testPseudonyms.Address
		}
		if only := differences(exchangesOf(a.conns, pseudonym), exchangesOf(again.conns, nil)); len(only) > 0 && strict {
			t.Errorf("%s: %d connections differ from %d:\n%s", name, len(only), len(a.conns), strings.Join(only[:min(6, len(only))], "\n"))
		}
	}
}

// checkCounts compares the packets that carry the comment of a connection with those that it has counted. ICMP errors that quote it come on top, and in
// tunnels between the same ends a record holds several.
func checkCounts(t *testing.T, a *audited, data []byte) {
	t.Helper()
	got := map[string]uint64{}
	for _, comments := range packetComments(t, data) {
		for _, c := range comments {
			got[c]++
		}
	}
	for _, c := range a.conns {
		n, want := got["connection "+c.ID.String()], c.OrigPackets+c.RespPackets
		few := n < want && (a.result.Ledger.Opened == 0 || n == 0)
		if few || n > want && c.ICMPError == flow.NoICMPError {
			t.Errorf("%v: %d packets are written, %d were counted (%+v)", c.ID, n, want, c)
		}
	}
}

// extractDiffers are captures of which the packets of connections alone make other connections.
var extractDiffers = map[string]string{
	"zeek__tunnels-gtp-gtp8_teredo.pcap": "Teredo is recognised by its prefix, which becomes another",
}

func TestExtractCaptures(t *testing.T) {
	for _, name := range append(captureFiles(t), recordedWindows(t)...) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			if stat, err := os.Stat(name); err != nil || stat.Size() > 4<<20 {
				t.Skip("large: TestExtractRecorded and the benchmark read such")
			}
			in, err := openInputs([]string{name}, nil, inputOptions{})
			if err != nil {
				t.Skip(err)
			}
			in.close()
			why, differs := extractDiffers[filepath.Base(name)]
			if differs {
				t.Log(why)
			}
			checkExtracts(t, auditOf(t, Config{Inputs: []string{name}, Hash: true}), !differs)
		})
	}
}

func recordedWindows(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("../testdata/captures/*.pcapng")
	if err != nil || len(names) == 0 {
		t.Fatal("no recorded windows: ", err)
	}
	return names
}

// The generator is a program of its own, in a package that nothing can import. With -short it takes one file of eight.
func TestExtractHostile(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "../cmd/internal/hostile", "-out", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) < 300 {
		t.Fatal(len(names), err)
	}
	refused := 0
	for i, name := range names {
		if testing.Short() && i%8 != 0 {
			continue
		}
		if strings.HasPrefix(filepath.Base(name), "bomb-") {
			continue // they take seconds, and end in the reader
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			a := &audited{config: Config{Inputs: []string{name}, Hash: true, MaxConnections: 1 << 14}}
			c := a.config
			c.Emit = func(c *flow.Conn) { a.conns = append(a.conns, kept(c)) }
			a.result, err = Run(context.Background(), c)
			var input *InputError
			if errors.As(err, &input) {
				refused++
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, differs := extractDiffers[filepath.Base(name)]
			checkExtracts(t, a, !differs)
		})
	}
	t.Logf("%d files, %d of them refused", len(names), refused)
}

// Whatever tells connections apart and ends them, the second pass does as the first.
func TestExtractAsAudited(t *testing.T) {
	since := int64(0)
	for name, c := range map[string]Config{
		"evicted":    {MaxConnections: 8},
		"interfaces": {Key: flow.KeyInterface | flow.KeyVLAN},
		"copies":     {Dedup: true},
		"filter":     {Filter: &flow.Filter{Ports: []flow.PortRange{{First: 53, Last: 53}}, Since: &since}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Inputs = recordedWindows(t)
			if c.Filter != nil {
				c.Filter.Compile()
			}
			a := auditOf(t, c)
			data, result := a.extract(t, ExtractConfig{Want: a.all(0), Payload: true})
			if result.Connections != len(a.conns) || result.Lost != 0 {
				t.Errorf("%d connections: %+v", len(a.conns), result)
			}
			checkCounts(t, a, data)
			var most uint64
			for _, c := range a.conns {
				most += min(3, c.OrigPackets+c.RespPackets)
			}
			if _, few := a.extract(t, ExtractConfig{Want: a.all(3)}); few.Packets != most || few.Connections != len(a.conns) {
				t.Errorf("the first three of each: %+v, want %d", few, most)
			}
		})
	}
}
