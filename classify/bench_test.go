package classify

import (
	"fmt"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// benchSite binds 400 agents and some servers of the Acronis pack.
func benchSite() string {
	var b strings.Builder
	b.WriteString("name: bench\nnetworks: [10.0.0.0/8]\nhosts:\n")
	for i := range 400 {
		fmt.Fprintf(&b, "  - {name: agent-%d, addresses: [10.0.%d.%d], os: windows, roles: [acronis-abr-11.5/agent]}\n", i, i/200, i%200+1)
	}
	b.WriteString("  - {name: ams, addresses: [10.0.9.1], os: windows, roles: [acronis-abr-11.5/management-server]}\n")
	return b.String()
}

// benchConns opens the management server's documented port from every agent, as often as asked.
func benchConns(n int) []flow.Conn {
	list := make([]flow.Conn, n)
	for i := range list {
		host := i * 7 % 400
		list[i] = flow.Conn{ID: flow.ConnID{Packet: uint64(i + 1)}, Proto: flow.TCP, KnownBy: flow.KnownByHandshake, Outcome: flow.Established,
			Orig: netipPort([4]byte{10, 0, byte(host / 200), byte(host%200 + 1)}, uint16(49152+i%16000)), Resp: netipPort([4]byte{10, 0, 9, 1}, 9876),
			First: start + int64(i)*1e6, Last: start + int64(i)*1e6 + 1e9, OrigPackets: 10, RespPackets: 10, OrigBytes: 1000, RespBytes: 9000}
	}
	return list
}

// BenchmarkObserve judges documented connections against one pack and against all: the cost must not grow with the packs.
func BenchmarkObserve(b *testing.B) {
	list := benchConns(1 << 16)
	for _, packs := range [][]string{{"acronis-abr-11.5"}, nil} {
		name := "all"
		if packs != nil {
			name = "one"
		}
		b.Run(name, func(b *testing.B) {
			a := New(builtinSet(b, benchSite(), packs...), Options{})
			for i := range list {
				a.Observe(&list[i])
			}
			if n := a.sums.verdicts[documented].connections; n != uint64(len(list)) {
				b.Fatalf("%d of %d documented", n, len(list))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				a.Observe(&list[i&(len(list)-1)])
			}
		})
	}
}

// builtinSet compiles embedded packs, all of them where none is named.
func builtinSet(t testing.TB, site string, names ...string) *rules.Set {
	t.Helper()
	var packs []*rules.Pack
	for _, b := range rules.Builtin() {
		if len(names) > 0 && b.Name != names[0] {
			continue
		}
		p, problems := rules.LoadPack(b.Name)
		fatal(t, problems)
		packs = append(packs, p)
	}
	var s *rules.Site
	if site != "" {
		var problems []rules.Problem
		s, problems = rules.LoadSiteBytes("site.yaml", []byte(site))
		fatal(t, problems)
	}
	compiled, problems := rules.Compile(packs, s)
	fatal(t, problems)
	return compiled
}

func TestJudgingDocumentedConnectionsAllocatesNothing(t *testing.T) {
	a := New(builtinSet(t, benchSite(), "acronis-abr-11.5"), Options{})
	list := benchConns(2000)
	for i := range list {
		a.Observe(&list[i])
	}
	if n := testing.AllocsPerRun(10, func() {
		for i := range list {
			a.Observe(&list[i])
		}
	}); n > 0 {
		t.Errorf("%v allocations for %d documented connections", n, len(list))
	}
}
